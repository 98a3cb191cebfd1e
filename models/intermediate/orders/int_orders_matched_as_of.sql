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

stages as (

    {{ stage_spans() }}

),

-- HOLD advises against trading: it claims no order, and neither does a forecast in
-- shadow. A signal's status is its present one, not its status at the order's time, so
-- it does not count here.
numbered_signals as (

    select
        signals.signal_id,
        signals.symbol,
        signals.signal_type as side,
        signals.created_at,
        signals.valid_until_at,
        row_number() over (
            order by signals.created_at, signals.signal_id
        ) as signal_number
    from signals
    left join stages
        on
            {{ is_in_span(
                'signals.model_id', 'signals.created_at', 'stages', 'at'
            ) | indent(12) }}
    where
        signals.signal_type in ('BUY', 'SELL')
        and coalesce(stages.stage, 'champion') = 'champion'

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

-- The orders that a signal covers: positions from first_position to before
-- end_position. At the same instant, starts and ends come before orders: a signal may
-- cause an order at its own instant, and is no longer valid at the instant at which it
-- expires.
spans as (

    {{ counted_before(
        rows='numbered_signals',
        key=['signal_number'],
        moments={'first_position': 'created_at', 'end_position': 'valid_until_at'},
        counted='numbered_orders',
        counted_at='created_at',
        group_by=['symbol', 'side']
    ) }}

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
