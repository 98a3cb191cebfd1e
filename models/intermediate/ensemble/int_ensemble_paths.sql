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
{% set path = ['path_loss', 'path_cost', 'path_switches'] %}

with recursive experts as (

    select * from {{ ref('int_ensemble_experts') }}

),

standings as (

    select * from {{ ref('int_ensemble_standings') }}

),

days as (

    select
        {% if is_from_changes() %}
            (select affected.from_weight_date - 1 from affected) as day_before,
        {% else %}
            min(weight_date) - 1 as day_before,
        {% endif %}
        max(weight_date) as last_date
    from standings

),

walk as (

    select
        days.day_before as weight_date,
        experts.expert_number,
        {% if is_from_changes() %}
            coalesce(stored.is_deciding, false) as is_deciding,
            stored.path_loss,
            stored.path_cost,
            stored.path_switches
        {% else %}
            false as is_deciding,
            cast(null as {{ type_double() }}) as path_loss,
            cast(null as {{ type_double() }}) as path_cost,
            cast(null as bigint) as path_switches
        {% endif %}
    from experts
    cross join days
    {% if is_from_changes() %}
        left join {{ this }} as stored
            on
                days.day_before = stored.weight_date
                and experts.expert_number = stored.expert_number
    {% endif %}

    union all

    -- The cost is -2 ln of the path's probability, by the rules of the weights. Where
    -- nobody decides, a path is silent and costs nothing until somebody does.
    select
        weight_date,
        expert_number,
        is_deciding,
        case
            when is_deciding and is_staying then path_loss
            when is_deciding and was_deciding then moved_path_loss
            when is_deciding then coalesce(best_path_loss, 0)
            when experts = 0 then best_path_loss
        end as path_loss,
        case
            when is_deciding and is_staying then path_cost + staying_cost
            when is_deciding and was_deciding then moved_path_cost + moving_cost
            when is_deciding then coalesce(best_path_cost, 0) + moving_cost
            when experts = 0 then best_path_cost
        end as path_cost,
        case
            when is_deciding and is_staying then path_switches
            when is_deciding and was_deciding then moved_path_switches + 1
            when is_deciding then coalesce(best_path_switches + 1, 0)
            when experts = 0 then best_path_switches
        end as path_switches
    from (
        select
            compared.*,
            costs.*,
            compared.was_deciding and coalesce(
                compared.path_loss + compared.path_cost + costs.staying_cost
                <= compared.moved_path_loss + compared.moved_path_cost
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
                {% for name in path %}
                    first_value(looked_up.{{ name }}) over best as best_{{ name }},
                    first_value(
                        looked_up.{{ name }}
                        {{- ' + looked_up.leaving_cost' if name == 'path_cost' }}
                    ) over moved as moved_{{ name }}{{ ',' if not loop.last }}
                {% endfor %}
            from (
                select
                    walk.weight_date + 1 as weight_date,
                    walk.expert_number,
                    walk.is_deciding as was_deciding,
                    coalesce(today.is_deciding, false) as is_deciding,
                    case
                        when walk.is_deciding
                            then walk.path_loss + coalesce(today.new_loss, 0)
                        else walk.path_loss
                    end as path_loss,
                    walk.path_cost,
                    walk.path_switches,
                    case
                        when walk.is_deciding and today.is_deciding
                            then
                                -2 * ln(cast(
                                    nullif({{ share }}, 0) as {{ type_double() }}
                                ))
                        else 0
                    end as leaving_cost
                from walk
                inner join days
                    on walk.weight_date < days.last_date
                left join
                    lateral (
                        select stored.*
                        from standings as stored
                        where
                            stored.weight_date = walk.weight_date + 1
                            and stored.expert_number = walk.expert_number
                        {{ kept_apart() }}
                    ) as today
                    on true
            ) as looked_up
            window
                best as (
                    order by
                        looked_up.path_loss + looked_up.path_cost asc nulls last,
                        looked_up.expert_number asc
                ),
                moved as (
                    order by
                        looked_up.path_loss
                        + looked_up.path_cost
                        + looked_up.leaving_cost asc nulls last,
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
    where walk.weight_date > (select days.day_before from days)

)

select * from int_ensemble_paths
