-- Grain: an order that carries the key of a signal before it. Times are UTC.

{{ config(
    unique_key='order_id',
    meta={
        'follows': {
            'stg_platform__trading_orders': 'order_id',
            'stg_ai__trading_signals': through(
                'stg_platform__trading_orders',
                'signal_key',
                of='idempotency_key',
                keys='order_id'
            )
        }
    },
    indexes=[{'columns': ['signal_id']}],
    pre_hook="{{ avoid_nested_loops() }}"
) }}

with orders as (

    select *
    from {{ followed('stg_platform__trading_orders') }}

),

signals as (

    select * from {{ ref('stg_ai__trading_signals') }}

),

-- A HOLD asks for no order. A signal that comes after an order cannot have caused it.
-- A key is one signal's on the primary; where its constraint is missing, the first
-- signal of the key counts, so that a later one changes nothing.
keyed_orders as (

    select
        orders.order_id,
        orders.symbol,
        orders.side,
        signals.signal_id,
        signals.model_id,
        signals.symbol as signal_symbol,
        signals.signal_type as signal_side,
        row_number() over (
            partition by orders.order_id
            order by signals.created_at, signals.signal_id
        ) as signal_number
    from orders
    inner join signals
        on
            orders.signal_key = signals.idempotency_key
            and orders.created_at >= signals.created_at
    where signals.signal_type in ('BUY', 'SELL')

),

-- An order of another symbol or side, such as an exit, executes no signal.
orders_with_signals as (

    select
        order_id,
        model_id as key_model_id,
        case
            when symbol = signal_symbol and side = signal_side then signal_id
        end as signal_id
    from keyed_orders
    where signal_number = 1

)

select * from orders_with_signals
