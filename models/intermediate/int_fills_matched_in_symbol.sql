-- Grain: a buy and a sell of the same symbol that share units which their trade plans
-- left unmatched. No times.

{{ config(pre_hook="{{ avoid_nested_loops() }}") }}

with fills as (

    select * from {{ ref('int_fills') }}

),

matched_in_plan as (

    select * from {{ ref('int_fills_matched_in_plan') }}

),

matched_sides as (

    select
        buy_order_id as order_id,
        quantity
    from matched_in_plan

    union all

    select
        sell_order_id as order_id,
        quantity
    from matched_in_plan

),

matched_orders as (

    select
        order_id,
        cast(sum(quantity) as {{ type_money() }}) as matched_quantity
    from matched_sides
    group by order_id

),

-- Matching takes a fill's units from its beginning, so what is left is its end.
rest_of_fills as (

    select
        fills.order_id,
        fills.symbol,
        fills.side,
        cast(
            fills.quantity - coalesce(matched_orders.matched_quantity, 0)
            as {{ type_money() }}
        ) as quantity,
        coalesce(matched_orders.matched_quantity, 0) as matched_quantity,
        fills.filled_at
    from fills
    left join matched_orders
        on fills.order_id = matched_orders.order_id
    where fills.quantity > coalesce(matched_orders.matched_quantity, 0)

),

matched_rest as (

    {{ match_fills('rest_of_fills', ['symbol']) }}

),

matched_fills as (

    select
        matched_rest.symbol,
        matched_rest.buy_order_id,
        matched_rest.sell_order_id,
        matched_rest.quantity,
        cast(
            matched_rest.buy_quantity_before + buys.matched_quantity
            as {{ type_money() }}
        ) as buy_quantity_before,
        cast(
            matched_rest.sell_quantity_before + sells.matched_quantity
            as {{ type_money() }}
        ) as sell_quantity_before
    from matched_rest
    inner join rest_of_fills as buys
        on matched_rest.buy_order_id = buys.order_id
    inner join rest_of_fills as sells
        on matched_rest.sell_order_id = sells.order_id

)

select * from matched_fills
