-- Grain: an order of which a filled quantity is still open. Times are UTC.

{{ config(
    unique_key='order_id',
    meta={
        'follows': {
            'int_fills': 'order_id',
            'int_orders_attributed': 'order_id',
            'int_lots_closed': ['opening_order_id', 'closing_order_id']
        }
    },
    indexes=[{'columns': ['(' ~ utc_date('opened_at') ~ ')']}]
) }}

with fills as (

    select *
    from {{ followed('int_fills') }}

),

attributed_orders as (

    select * from {{ ref('int_orders_attributed') }}

),

closed_sides as (

    select
        opening_order_id as order_id,
        quantity
    from {{ followed('int_lots_closed', by='opening_order_id') }}

    union all

    select
        closing_order_id as order_id,
        quantity
    from {{ followed('int_lots_closed', by='closing_order_id') }}

),

closed_orders as (

    select
        order_id,
        cast(sum(quantity) as {{ type_money() }}) as closed_quantity
    from closed_sides
    group by order_id

),

open_fills as (

    select
        fills.*,
        coalesce(closed_orders.closed_quantity, 0) as closed_quantity,
        cast(
            fills.quantity - coalesce(closed_orders.closed_quantity, 0)
            as {{ type_money() }}
        ) as open_quantity
    from fills
    left join closed_orders
        on fills.order_id = closed_orders.order_id
    where fills.quantity > coalesce(closed_orders.closed_quantity, 0)

),

open_positions as (

    select
        open_fills.order_id,
        open_fills.account,
        open_fills.currency,
        open_fills.symbol,
        attributed_orders.source_type,
        attributed_orders.source_name,
        attributed_orders.signal_id,
        case open_fills.side when 'BUY' then 'LONG' else 'SHORT' end as direction,
        open_fills.open_quantity,
        open_fills.price,
        open_fills.tag as entry_tag,
        open_fills.leverage,
        -- The order's fee less the fees of its closed lots.
        {{ share_of_amount(
            'open_fills.fee',
            'open_fills.closed_quantity',
            'open_fills.open_quantity',
            'open_fills.quantity'
        ) }} as fees,
        open_fills.filled_at as opened_at,
        open_fills.available_at
    from open_fills
    inner join attributed_orders
        on open_fills.order_id = attributed_orders.order_id

)

select * from open_positions
