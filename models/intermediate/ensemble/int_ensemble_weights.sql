-- Grain: a UTC day and an expert, every one from the day on which the expert joined.
-- Each day goes on from the stored weights of the day before.

{# Experts change together with their standings. #}
{{ config(
    unique_key=['weight_date', 'expert_number'],
    meta={
        'affected_from': 'weight_date',
        'follows': {
            'int_ensemble_standings': 'weight_date',
            'int_ensemble_experts': none
        }
    }
) }}

{# The linter has no value for a var: the default of float is for it alone. #}
{% set share = var('ensemble_share') | float(0.5) %}

with recursive experts as (

    select * from {{ ref('int_ensemble_experts') }}

),

standings as (

    select *
    from {{ followed('int_ensemble_standings') }}

),

days as (

    select
        min(weight_date) - 1 as day_before,
        max(weight_date) as last_date
    from {{ ref('int_ensemble_standings') }}

),

walk as (

    select
        before.*,
        cast(null as {{ type_double() }}) as earned_weight
    from (
        {{ ensemble_start({'weight': type_double()}) | indent(8) }}
    ) as before

    union all

    -- Who did not decide the day before begins with an equal weight. The others divide
    -- the rest: each keeps what it has earned but for a share of it, which goes to all
    -- alike, as does the weight of those that no longer decide.
    select
        weight_date,
        expert_number,
        is_deciding,
        case
            when not is_deciding then 0
            when not was_deciding then 1 / experts
            else
                {{ 1 - share }} * (1 - newcomers / experts) * raw_weight / raw_total
                + raw_shared / raw_total / experts
        end as weight,
        case when is_deciding then raw_weight / raw_total else 0 end as earned_weight
    from (
        -- Sums in a fixed order, so that their last digit is the same in every build.
        select
            raised.*,
            nullif(sum(raised.raw_weight) over whole_day, 0) as raw_total,
            sum(
                raised.raw_weight
                * case when raised.is_deciding then {{ share }} else 1 end
            ) over whole_day as raw_shared
        from (
            -- The largest is 1 and none underflows.
            select
                looked_up.*,
                {{ exp_or_zero(
                    'looked_up.log_weight - max(looked_up.log_weight) over ()'
                ) | indent(16) }} as raw_weight,
                cast(
                    count(*) filter (where looked_up.is_deciding) over ()
                    as {{ type_double() }}
                ) as experts,
                count(*) filter (
                    where looked_up.is_deciding and not looked_up.was_deciding
                ) over () as newcomers
            from (
                select
                    next_day.*,
                    case
                        when next_day.weight > 0
                            then ln(next_day.weight) - 0.5 * next_day.new_loss
                    end as log_weight
                from (
                    {{ ensemble_next_day(['weight']) | indent(20) }}
                ) as next_day
            ) as looked_up
        ) as raised
        window
            whole_day as (
                order by raised.expert_number
                rows between unbounded preceding and unbounded following
            )
    ) as summed

),

int_ensemble_weights as (

    select
        standings.weight_date,
        standings.expert_number,
        standings.expert_name,
        standings.is_deciding,
        standings.experts,
        walk.weight,
        -- Where nobody decided the day before, nothing was earned and nothing moves.
        greatest(
            1 - sum(
                least(walk.weight, coalesce(walk.earned_weight, walk.weight))
            ) over whole_day,
            0
        ) as moved_weight
    from walk
    inner join standings
        on
            walk.weight_date = standings.weight_date
            and walk.expert_number = standings.expert_number
    window
        whole_day as (
            partition by standings.weight_date
            order by standings.expert_number
            rows between unbounded preceding and unbounded following
        )

)

select * from int_ensemble_weights
