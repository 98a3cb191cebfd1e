-- Grain: a model, a type of micro pattern and a relation to it. As of the build.

{{ config(
    unique_key=['model_id', 'pattern_type', 'relation'],
    meta={'follows': 'whole'}
) }}

with summed as (

    select
        model_id,
        pattern_type,
        relation,
        cast(sum(cases) as bigint) as cases_given,
        cast(sum(wins) as bigint) as wins_given,
        max(available_at) as available_at
    from {{ ref('int_ensemble_confirmations_daily') }}
    group by model_id, pattern_type, relation

),

given as (

    select * from summed
    where relation <> 'no_pattern'

),

model_totals as (

    select
        model_id,
        cast(sum(cases_given) as bigint) as cases,
        cast(sum(wins_given) as bigint) as wins,
        max(available_at) as available_at
    from summed
    group by model_id

),

-- All other signals of the same model, those without a pattern included.
counted as (

    select
        given.model_id,
        given.pattern_type,
        given.relation,
        given.cases_given,
        given.wins_given,
        model_totals.cases - given.cases_given as cases_not,
        model_totals.wins - given.wins_given as wins_not,
        cast(model_totals.wins as {{ type_double() }})
        / model_totals.cases as pooled_rate,
        model_totals.available_at
    from given
    inner join model_totals
        on given.model_id = model_totals.model_id

),

measured as (

    select
        *,
        cast(wins_given as {{ type_double() }}) / cases_given as win_rate_given,
        cast(wins_not as {{ type_double() }}) / nullif(cases_not, 0) as win_rate_not,
        {{ wilson_bound('wins_given', 'cases_given', 'lower') }} as given_lower,
        {{ wilson_bound('wins_given', 'cases_given', 'upper') }} as given_upper,
        {{ wilson_bound('wins_not', 'cases_not', 'lower') }} as not_lower,
        {{ wilson_bound('wins_not', 'cases_not', 'upper') }} as not_upper
    from counted

),

-- The score test keeps its level only with some cases on either side, and needs both
-- wins and losses.
scored as (

    select
        *,
        win_rate_given - win_rate_not as difference,
        case
            when
                cases_given >= {{ var('confirmation_min_cases') }}
                and cases_not >= {{ var('confirmation_min_cases') }}
                and pooled_rate > 0
                and pooled_rate < 1
                then
                    (win_rate_given - win_rate_not) / sqrt(
                        pooled_rate * (1 - pooled_rate) * (
                            1 / cast(cases_given as {{ type_double() }})
                            + 1 / cast(cases_not as {{ type_double() }})
                        )
                    )
        end as z_score
    from measured

),

tested as (

    select
        *,
        2 * {{ normal_cdf('(-abs(z_score))') }} as p_value
    from scored

)

select * from tested
