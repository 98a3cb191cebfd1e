-- Grain: an order. Times are UTC.

{{ config(
    unique_key='order_id',
    meta={
        'follows': {
            'stg_platform__trading_orders': 'order_id',
            'int_orders_matched_by_key': 'order_id',
            'int_orders_matched_in_plan': 'order_id',
            'int_orders_matched_as_of': 'order_id',
            'stg_ai__trading_signals': through('this', 'signal_id'),
            'stg_ai__models': through('this', 'model_id'),
            'stg_platform__trade_plans': through('this', 'trade_plan_id')
        }
    },
    indexes=[
        {'columns': ['signal_id']},
        {'columns': ['model_id']},
        {'columns': ['trade_plan_id']},
        {'columns': ['(' ~ utc_date('created_at') ~ ')']}
    ],
    pre_hook="{{ avoid_nested_loops() }}"
) }}

with orders as (

    select *
    from {{ followed('stg_platform__trading_orders') }}

),

trade_plans as (

    select * from {{ ref('stg_platform__trade_plans') }}

),

signals as (

    select * from {{ ref('stg_ai__trading_signals') }}

),

models as (

    select * from {{ ref('stg_ai__models') }}

),

matched_by_key as (

    select *
    from {{ followed('int_orders_matched_by_key') }}

),

matched_in_plan as (

    select *
    from {{ followed('int_orders_matched_in_plan') }}

),

matched_as_of as (

    select *
    from {{ followed('int_orders_matched_as_of') }}

),

-- What an order says itself goes before its plan. An order with a plan is matched
-- within it alone, so no order is in both of the other two.
matched as (

    select
        order_id,
        signal_id,
        key_model_id as linked_model_id,
        'signal_key' as method
    from matched_by_key

    union all

    select
        matched_in_plan.order_id,
        matched_in_plan.signal_id,
        matched_in_plan.plan_model_id as linked_model_id,
        'trade_plan' as method
    from matched_in_plan
    left join matched_by_key
        on matched_in_plan.order_id = matched_by_key.order_id
    where matched_by_key.order_id is null

    union all

    select
        matched_as_of.order_id,
        matched_as_of.signal_id,
        null as linked_model_id,
        'as_of' as method
    from matched_as_of
    left join matched_by_key
        on matched_as_of.order_id = matched_by_key.order_id
    where matched_by_key.order_id is null

),

-- An order that executes a signal belongs to the signal's model; an order of an AI's
-- key or plan that executes no signal, such as an exit, belongs to the key's or plan's
-- model.
matched_with_models as (

    select
        matched.order_id,
        matched.signal_id,
        matched.method,
        signals.created_at as signal_created_at,
        signals.stop_loss,
        signals.take_profit,
        coalesce(signals.model_id, matched.linked_model_id) as model_id
    from matched
    left join signals
        on matched.signal_id = signals.signal_id

),

-- An order of a plan that no signal links to is the platform's own: a model whose
-- signal merely agreed with it gets no profit from it.
attributed as (

    select
        orders.order_id,
        orders.trade_plan_id,
        orders.account,
        orders.currency,
        orders.symbol,
        orders.side,
        matched_with_models.signal_id,
        matched_with_models.model_id,
        case
            when matched_with_models.order_id is not null then 'ai' else 'traditional'
        end as source_type,
        case
            when matched_with_models.order_id is not null
                then coalesce(models.model_label, 'unknown')
            when orders.trade_plan_id is null then 'unplanned'
            else coalesce(trade_plans.strategy, 'unknown')
        end as source_name,
        coalesce(matched_with_models.method, 'none') as method,
        {{ seconds_between(
            'matched_with_models.signal_created_at', 'orders.created_at'
        ) }} as lag_seconds,
        trade_plans.entry_price_target as planned_entry_price,
        -- The plan may be more careful than the signal that it follows.
        coalesce(trade_plans.stop_loss_price, matched_with_models.stop_loss)
            as stop_price,
        coalesce(trade_plans.take_profit_price, matched_with_models.take_profit)
            as target_price,
        orders.created_at,
        orders.available_at
    from orders
    left join matched_with_models
        on orders.order_id = matched_with_models.order_id
    left join models
        on matched_with_models.model_id = models.model_id
    left join trade_plans
        on orders.trade_plan_id = trade_plans.trade_plan_id

)

select * from attributed {{ newest_together('order_id') }}
