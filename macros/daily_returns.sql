{#
    A query for days of equity with start_equity and daily_return, which is NULL where nothing was left to lose.

    relation: a relation with equity and net_profit.
#}
{% macro daily_returns(relation) -%}
    select
        *,
        case
            when start_equity > 0
                then
                    cast(net_profit as {{ type_double() }})
                    / cast(start_equity as {{ type_double() }})
        end as daily_return
    from (
        select
            *,
            cast(equity - net_profit as {{ type_money() }}) as start_equity
        from {{ relation }}
    ) as started
{%- endmacro %}
