-- Grain: a UTC day and an expert, every one from the day on which the expert joined.
-- Each day goes on from the stored paths of the day before.

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

    {{ ensemble_start({
        'path_loss': type_double(), 'path_cost': type_double(), 'path_switches': 'bigint'
    }) | indent(4) }}

    union all

    -- The cost is -2 ln of the path's probability, by the rules of the weights. Where
    -- nobody decides, a path is silent and costs nothing until somebody does.
    select
        weight_date,
        expert_number,
        is_deciding,
        case
            when not is_deciding and experts > 0 then null
            when not is_deciding then best_path_loss
            when not was_deciding then coalesce(best_path_loss, 0)
            when is_staying then path_loss
            else moved_path_loss
        end as path_loss,
        case
            when not is_deciding and experts > 0 then null
            when not is_deciding then best_path_cost
            when not was_deciding then coalesce(best_path_cost, 0) + moving_cost
            when is_staying then path_cost + staying_cost
            else moved_path_cost + moving_cost
        end as path_cost,
        case
            when not is_deciding and experts > 0 then null
            when not is_deciding then best_path_switches
            when not was_deciding then coalesce(best_path_switches + 1, 0)
            when is_staying then path_switches
            else moved_path_switches + 1
        end as path_switches
    from (
        select
            compared.*,
            costs.*,
            coalesce(
                compared.path_loss + compared.path_cost + costs.staying_cost
                <= compared.moved_path_loss
                + compared.moved_path_cost
                + costs.moving_cost,
                true
            ) as is_staying
        from (
            select
                looked_up.*,
                cast(
                    count(*) filter (where looked_up.is_deciding) over ()
                    as {{ type_double() }}
                ) as experts,
                count(*) filter (
                    where looked_up.is_deciding and not looked_up.was_deciding
                ) over () as newcomers,
                first_value(looked_up.path_loss) over best as best_path_loss,
                first_value(looked_up.path_cost) over best as best_path_cost,
                first_value(looked_up.path_switches) over best as best_path_switches,
                first_value(looked_up.path_loss) over moved as moved_path_loss,
                first_value(looked_up.left_cost) over moved as moved_path_cost,
                first_value(looked_up.path_switches) over moved as moved_path_switches
            from (
                select
                    next_day.weight_date,
                    next_day.expert_number,
                    next_day.was_deciding,
                    next_day.is_deciding,
                    next_day.path_loss + next_day.new_loss as path_loss,
                    next_day.path_cost,
                    next_day.path_switches,
                    -- Without a share, no path leaves an expert that decides.
                    case
                        when next_day.was_deciding and next_day.is_deciding
                            then
                                next_day.path_cost - 2 * ln(cast(
                                    nullif({{ share }}, 0) as {{ type_double() }}
                                ))
                        else next_day.path_cost
                    end as left_cost
                from (
                    {{ ensemble_next_day(
                        ['path_loss', 'path_cost', 'path_switches']
                    ) | indent(20) }}
                ) as next_day
            ) as looked_up
            window
                best as (
                    order by
                        looked_up.path_loss + looked_up.path_cost asc nulls last,
                        looked_up.expert_number asc
                ),
                moved as (
                    order by
                        looked_up.path_loss + looked_up.left_cost asc nulls last,
                        looked_up.expert_number asc
                )
        ) as compared
        cross join lateral (
            select
                2 * ln(nullif(compared.experts, 0)) as moving_cost,
                -2 * ln(nullif(
                    {{ 1 - share }} * (1 - compared.newcomers / compared.experts)
                    + {{ share }} / compared.experts, 0
                )) as staying_cost
        ) as costs
    ) as decided

),

int_ensemble_paths as (

    select
        walk.weight_date,
        walk.expert_number,
        walk.is_deciding,
        walk.path_loss,
        walk.path_cost,
        walk.path_switches
    from walk
    inner join standings
        on
            walk.weight_date = standings.weight_date
            and walk.expert_number = standings.expert_number

)

select * from int_ensemble_paths
