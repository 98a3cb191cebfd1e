-- Grain: an order without a trade plan that came while a signal of its symbol and side
-- was valid, with the latest such signal. Times are UTC.

{{ config(
    unique_key='order_id',
    indexes=[{'columns': ['signal_id']}],
    pre_hook="{{ avoid_nested_loops() }}"
) }}

-- "The latest valid signal" is not "the latest signal, if it is valid": an earlier
-- signal may outlive a later one. So signals are laid over the sequence of orders, as
-- spans of positions, and an order takes the latest one that covers it.

with orders as (

    select *
    from {{ followed('stg_platform__trading_orders') }}

),

signals as (

    {% if is_from_changes() %}
        {{ signals_valid_at('orders') }}
    {% else %}
        select * from {{ ref('stg_ai__trading_signals') }}
    {% endif %}

),

-- HOLD advises against trading: it claims no order. The status of a signal is of today,
-- not of the order's time, so it does not count here.
numbered_signals as (

    select
        signal_id,
        symbol,
        signal_type as side,
        created_at,
        valid_until_at,
        row_number() over (order by created_at, signal_id) as signal_number
    from signals
    where signal_type in ('BUY', 'SELL')

),

numbered_orders as (

    select
        order_id,
        symbol,
        side,
        created_at,
        row_number() over (
            partition by symbol, side
            order by created_at, order_id
        ) - 1 as order_position
    from orders
    where trade_plan_id is null

),

events as (

    {% for event_type, event_at in [
        ('start', 'created_at'), ('end', 'valid_until_at')
    ] %}
        select
            symbol,
            side,
            {{ event_at }} as event_at,
            0 as is_order,
            signal_number,
            '{{ event_type }}' as event_type
        from numbered_signals

        union all
    {% endfor %}

    select
        symbol,
        side,
        created_at as event_at,
        1 as is_order,
        null as signal_number,
        'order' as event_type
    from numbered_orders

),

-- At the same instant, starts and ends come before orders: a signal may cause an order
-- of its own instant, and is no longer valid at the instant at which it expires.
counted_events as (

    select
        symbol,
        side,
        signal_number,
        event_type,
        sum(is_order) over (
            partition by symbol, side
            order by event_at asc nulls last, is_order asc
            rows between unbounded preceding and current row
        ) as orders_before
    from events

),

-- The orders that a signal covers: positions from first_position to before
-- end_position.
spans as (

    select
        symbol,
        side,
        signal_number,
        max(orders_before) filter (where event_type = 'start') as first_position,
        max(orders_before) filter (where event_type = 'end') as end_position
    from counted_events
    where event_type <> 'order'
    group by symbol, side, signal_number

),

latest_for_orders as (

    {{ last_covering(
        spans='spans',
        span_number='signal_number',
        positions='numbered_orders',
        position='order_position',
        group_by=['symbol', 'side'],
        key='order_id'
    ) }}

),

orders_with_signals as (

    select
        latest_for_orders.order_id,
        numbered_signals.signal_id
    from latest_for_orders
    inner join numbered_signals
        on latest_for_orders.signal_number = numbered_signals.signal_number

)

select * from orders_with_signals
