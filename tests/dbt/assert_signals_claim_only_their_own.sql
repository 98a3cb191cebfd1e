-- No signal claims an order of another symbol or side, and a HOLD claims none.

with order_attribution as (

    select * from {{ ref('order_attribution') }}

),

signals as (

    select * from {{ ref('stg_ai__trading_signals') }}

),

violations as (

    select
        order_attribution.order_id,
        order_attribution.signal_id
    from order_attribution
    inner join signals
        on order_attribution.signal_id = signals.signal_id
    where
        order_attribution.symbol <> signals.symbol
        or order_attribution.side <> signals.signal_type

)

select * from violations
