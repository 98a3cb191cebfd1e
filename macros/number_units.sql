{#
    A query that numbers bought and sold units within a group, each side in the order of its fills.

    fills: a relation or CTE with the columns of group_by, order_id, side, quantity (above 0) and
        filled_at; at most one row an order.
    group_by: the columns within which fills may be matched, none of them NULL.

    Columns: those of fills, last_unit (the number of the fill's last unit) and from_unit, 0.
#}
{% macro number_units(fills, group_by) -%}
    {%- set groups = require_list('number_units', 'group_by', group_by) | join(', ') -%}
    select
        *,
        cast(sum(quantity) over (
            partition by {{ groups }}, side
            order by filled_at, order_id
            rows between unbounded preceding and current row
        ) as {{ type_money() }}) as last_unit,
        cast(0 as {{ type_money() }}) as from_unit
    from {{ fills }}
{%- endmacro %}
