-- Grain: a closed lot: the quantity that one opening and one closing order share. Times
-- are UTC.

{{ config(
    unique_key=['buy_order_id', 'sell_order_id'],
    meta={
        'follows': {
            'int_fills_matched_in_plan': 'buy_order_id, sell_order_id',
            'int_fills_matched_in_symbol': 'buy_order_id, sell_order_id',
            'int_fills': [
                through('int_fills_matched_in_plan', 'buy_order_id', of='order_id'),
                through('int_fills_matched_in_plan', 'sell_order_id', of='order_id'),
                through('int_fills_matched_in_symbol', 'buy_order_id', of='order_id'),
                through('int_fills_matched_in_symbol', 'sell_order_id', of='order_id')
            ]
        }
    },
    indexes=[{'columns': ['opening_order_id']}, {'columns': ['closing_order_id']}],
    pre_hook="{{ avoid_nested_loops() }}"
) }}

with buys as (

    select *
    from {{ followed('int_fills', by='order_id', keys='buy_order_id') }}

),

sells as (

    select *
    from {{ followed('int_fills', by='order_id', keys='sell_order_id') }}

),

matched_in_plan as (

    select *
    from {{ followed('int_fills_matched_in_plan') }}

),

matched_in_symbol as (

    select *
    from {{ followed('int_fills_matched_in_symbol') }}

),

-- A plan leaves units of one side alone, so no pair is in both.
matched as (

    select
        buy_order_id,
        sell_order_id,
        quantity,
        buy_quantity_before,
        sell_quantity_before,
        'trade_plan' as matched_within
    from matched_in_plan

    union all

    select
        buy_order_id,
        sell_order_id,
        quantity,
        buy_quantity_before,
        sell_quantity_before,
        'symbol' as matched_within
    from matched_in_symbol

),

-- Each lot takes its part of both orders' fees; the parts of an order add up to its
-- fee.
priced as (

    select
        matched.buy_order_id,
        matched.sell_order_id,
        matched.matched_within,
        matched.quantity,
        buys.symbol,
        buys.price as buy_price,
        sells.price as sell_price,
        buys.filled_at as bought_at,
        sells.filled_at as sold_at,
        buys.filled_at < sells.filled_at
        or (
            buys.filled_at = sells.filled_at
            and buys.order_id < sells.order_id
        ) as is_long,
        {{ share_of_amount(
            'buys.fee', 'matched.buy_quantity_before', 'matched.quantity', 'buys.quantity'
        ) }} as buy_fees,
        {{ share_of_amount(
            'sells.fee', 'matched.sell_quantity_before', 'matched.quantity', 'sells.quantity'
        ) }} as sell_fees
    from matched
    inner join buys
        on matched.buy_order_id = buys.order_id
    inner join sells
        on matched.sell_order_id = sells.order_id

),

-- Sold less bought is the profit of either direction.
closed_lots as (

    select
        case when is_long then buy_order_id else sell_order_id end as opening_order_id,
        case when is_long then sell_order_id else buy_order_id end as closing_order_id,
        buy_order_id,
        sell_order_id,
        symbol,
        case when is_long then 'LONG' else 'SHORT' end as direction,
        matched_within,
        quantity,
        case when is_long then bought_at else sold_at end as entry_at,
        case when is_long then sold_at else bought_at end as exit_at,
        case when is_long then buy_price else sell_price end as entry_price,
        case when is_long then sell_price else buy_price end as exit_price,
        cast(buy_fees + sell_fees as {{ type_money() }}) as fees,
        cast(
            (sell_price - buy_price) * quantity - buy_fees - sell_fees
            as {{ type_money() }}
        ) as net_profit
    from priced

)

select * from closed_lots {{ newest_together('closing_order_id') }}
