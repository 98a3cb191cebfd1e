-- Grain: a model, a type of micro pattern and a relation to it. As of the build.

{{ config(
    unique_key=['model_id', 'pattern_type', 'relation'],
    meta={'follows': 'whole'}
) }}

with models as (

    select * from {{ ref('stg_ai__models') }}

),

numbered as (

    select
        *,
        count(p_value) over () as tests,
        row_number() over (
            order by
                p_value asc nulls last, model_id asc, pattern_type asc, relation asc
        ) as p_rank
    from {{ ref('int_ensemble_confirmations_tested') }}

),

-- Benjamini and Hochberg: the least p * tests / rank among this p and all larger ones.
adjusted as (

    select
        *,
        case
            when p_value is not null
                then
                    least(
                        min(p_value * tests / p_rank) over (
                            order by p_rank desc
                            rows between unbounded preceding and current row
                        ),
                        1
                    )
        end as q_value
    from numbered

),

confirmation_lift as (

    select
        adjusted.model_id,
        coalesce(models.model_name, 'unknown') as model_name,
        coalesce(models.model_version, 'unknown') as model_version,
        adjusted.pattern_type,
        cast(adjusted.relation as {{ dbt.type_string() }}) as relation,
        adjusted.cases_given,
        cast(adjusted.wins_given as bigint) as wins_given,
        adjusted.win_rate_given,
        adjusted.cases_not,
        cast(adjusted.wins_not as bigint) as wins_not,
        adjusted.win_rate_not,
        adjusted.win_rate_given / nullif(adjusted.win_rate_not, 0) as lift,
        adjusted.difference,
        adjusted.difference - sqrt(
            (adjusted.win_rate_given - adjusted.given_lower)
            * (adjusted.win_rate_given - adjusted.given_lower)
            + (adjusted.not_upper - adjusted.win_rate_not)
            * (adjusted.not_upper - adjusted.win_rate_not)
        ) as difference_lower,
        adjusted.difference + sqrt(
            (adjusted.given_upper - adjusted.win_rate_given)
            * (adjusted.given_upper - adjusted.win_rate_given)
            + (adjusted.win_rate_not - adjusted.not_lower)
            * (adjusted.win_rate_not - adjusted.not_lower)
        ) as difference_upper,
        adjusted.z_score,
        adjusted.p_value,
        adjusted.q_value,
        adjusted.tests,
        adjusted.available_at
    from adjusted
    left join models
        on adjusted.model_id = models.model_id

)

select * from confirmation_lift
