{#
    A query that matches buys with sells, first in, first out, within a group.

    Bought and sold units are each numbered in the order of their fills (number_units). As positions net,
    a unit that is bought closes the oldest open sold unit and the other way round, so the k-th unit
    bought is always matched with the k-th unit sold, whichever came first. On one line of units, the
    ends of the fills of both sides cut the line into segments. Each segment belongs to one buy and one
    sell: the fills that end next. Windows find them, so no buy is compared with every sell.

    numbered_fills: a relation or CTE with the columns of group_by, order_id, side, quantity,
        last_unit, and from_unit, the same in all of a group: the units up to it were matched before,
        and every fill in the relation has units beyond it. At most one row an order.
    group_by: the columns within which fills may be matched, none of them NULL.

    Columns: those of group_by, buy_order_id, sell_order_id, last_unit, quantity, buy_quantity_before
    and sell_quantity_before (the quantity that earlier segments took of the same order). One row for every
    buy and sell that share units. A quantity in no row has no counterpart in the group.
#}
{% macro match_units(numbered_fills, group_by) -%}
    {%- set groups = require_list('match_units', 'group_by', group_by) | join(', ') %}
    with cuts as (

        select
            {{ groups }},
            last_unit,
            min(from_unit) as from_unit,
            max(order_id) filter (where side = 'BUY') as buy_order_id,
            max(order_id) filter (where side = 'SELL') as sell_order_id,
            max(last_unit - quantity) filter (where side = 'BUY') as units_before_buy,
            max(last_unit - quantity) filter (where side = 'SELL') as units_before_sell
        from {{ numbered_fills }}
        group by {{ groups }}, last_unit

    ),

    -- From the last unit backwards, every end of a fill begins a new count: the segments of one
    -- count are those of one fill. Count 0 is what the side no longer covers.
    segments as (

        select
            *,
            coalesce(
                lag(last_unit) over (partition by {{ groups }} order by last_unit), from_unit
            ) as units_before,
            count(buy_order_id) over (
                partition by {{ groups }}
                order by last_unit desc
                rows between unbounded preceding and current row
            ) as buys_from_here,
            count(sell_order_id) over (
                partition by {{ groups }}
                order by last_unit desc
                rows between unbounded preceding and current row
            ) as sells_from_here
        from cuts

    ),

    segments_of_fills as (

        select
            {{ groups }},
            last_unit,
            units_before,
            max(buy_order_id) over buys as buy_order_id,
            max(units_before_buy) over buys as units_before_buy,
            max(sell_order_id) over sells as sell_order_id,
            max(units_before_sell) over sells as units_before_sell
        from segments
        window
            buys as (partition by {{ groups }}, buys_from_here),
            sells as (partition by {{ groups }}, sells_from_here)

    ),

    matched as (

        select
            {{ groups }},
            buy_order_id,
            sell_order_id,
            last_unit,
            cast(last_unit - units_before as {{ type_money() }}) as quantity,
            cast(
                units_before - units_before_buy as {{ type_money() }}
            ) as buy_quantity_before,
            cast(
                units_before - units_before_sell as {{ type_money() }}
            ) as sell_quantity_before
        from segments_of_fills
        where
            buy_order_id is not null
            and sell_order_id is not null

    )

    select * from matched
{%- endmacro %}
