{#
    A query for the next day of `walk`, a recursive CTE that begins with `ensemble_start`: who decided the
    day before, who decides now, and the loss that was resolved between, of those who decided.

    carried: the columns that the walk carries from a day to the next.
#}
{% macro ensemble_next_day(carried) -%}
    select
        walk.weight_date + 1 as weight_date,
        walk.expert_number,
        walk.is_deciding as was_deciding,
        coalesce(today.is_deciding, false) as is_deciding,
        case when walk.is_deciding then coalesce(today.new_loss, 0) else 0 end
            as new_loss,
        walk.{{ carried | join(', walk.') }}
    from walk
    inner join days
        on walk.weight_date < days.last_date
    left join
        lateral (
            select stored.*
            from {{ ref('int_ensemble_standings') }} as stored
            where
                stored.weight_date = walk.weight_date + 1
                and stored.expert_number = walk.expert_number
            {{ kept_apart() }}
        ) as today
        on true
{%- endmacro %}
