-- Grain: an order whose trade plan a signal linked to before it. Times are UTC.

{{ config(
    unique_key='order_id',
    meta={
        'affected_by': 'trade_plan_id',
        'follows': {
            'stg_platform__trading_orders': 'trade_plan_id',
            'stg_ai__trading_signals': 'trade_plan_id'
        }
    },
    indexes=[{'columns': ['trade_plan_id']}, {'columns': ['signal_id']}],
    pre_hook="{{ avoid_nested_loops() }}"
) }}

with orders as (

    select *
    from {{ followed('stg_platform__trading_orders') }}

),

-- A HOLD that names a plan asks for no order, so it does not make the plan the AI's.
linked_signals as (

    select
        signal_id,
        model_id,
        trade_plan_id,
        symbol,
        signal_type as side,
        created_at,
        row_number() over (
            partition by trade_plan_id
            order by created_at, signal_id
        ) as signal_number
    from {{ followed('stg_ai__trading_signals') }}
    where
        trade_plan_id is not null
        and signal_type in ('BUY', 'SELL')

),

-- A plan belongs to the model of its first signal. A signal that comes after an order
-- cannot have caused it, and a later signal must not change the order's source.
plans as (

    select
        trade_plan_id,
        model_id,
        created_at as linked_at
    from linked_signals
    where signal_number = 1

),

plan_orders as (

    select
        orders.order_id,
        orders.trade_plan_id,
        orders.symbol,
        orders.side,
        orders.created_at,
        plans.model_id
    from orders
    inner join plans
        on
            orders.trade_plan_id = plans.trade_plan_id
            and orders.created_at >= plans.linked_at

),

-- The latest signal of the order's plan, symbol and side, as of the order: signals and
-- orders on one line of time, signals first at the same instant, the highest signal_id
-- last.
events as (

    select
        trade_plan_id,
        symbol,
        side,
        created_at as event_at,
        0 as is_order,
        signal_id,
        null as order_id,
        null as plan_model_id
    from linked_signals

    union all

    select
        trade_plan_id,
        symbol,
        side,
        created_at as event_at,
        1 as is_order,
        null as signal_id,
        order_id,
        model_id as plan_model_id
    from plan_orders

),

counted_events as (

    select
        *,
        count(signal_id) over (
            partition by trade_plan_id, symbol, side
            order by event_at asc, is_order asc, signal_id asc nulls last
            rows between unbounded preceding and current row
        ) as signals_before
    from events

),

latest_signals as (

    select
        order_id,
        trade_plan_id,
        plan_model_id,
        is_order,
        -- Each count above 0 begins with its one signal; at 0 there is none.
        max(signal_id) over (
            partition by trade_plan_id, symbol, side, signals_before
        ) as signal_id
    from counted_events

),

orders_with_signals as (

    select
        order_id,
        trade_plan_id,
        plan_model_id,
        signal_id
    from latest_signals
    where is_order = 1

)

select * from orders_with_signals
