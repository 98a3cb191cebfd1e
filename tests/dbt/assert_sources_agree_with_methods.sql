-- An order is the AI's exactly if a method found so, and an order with a plan is
-- decided by a signal's key or by the plan.

with attributed_orders as (

    select * from {{ ref('int_orders_attributed') }}

),

violations as (

    select
        order_id,
        source_type,
        method,
        signal_id,
        model_id,
        trade_plan_id
    from attributed_orders
    where
        (source_type = 'ai') <> (method <> 'none')
        or (method = 'none' and signal_id is not null)
        or (method = 'as_of' and signal_id is null)
        or (method = 'signal_key' and model_id is null)
        or (method = 'trade_plan' and trade_plan_id is null)
        or (method = 'as_of' and trade_plan_id is not null)

)

select * from violations
