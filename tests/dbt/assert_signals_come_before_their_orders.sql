-- No order is attributed to a signal that came after it, or, but for a link by key or
-- through the trade plan, to one that was no longer valid.

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
        signals.created_at > order_attribution.created_at
        or (
            order_attribution.method = 'as_of'
            and signals.valid_until_at <= order_attribution.created_at
        )

)

select * from violations
