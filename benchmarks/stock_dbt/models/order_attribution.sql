{{ config(unique_key='order_id', indexes=[{'columns': ['order_id'], 'unique': true}]) }}

with trading_orders as not materialized (
    select *
    from public.trading_orders
    {% if is_incremental() %}
        where created_at >= (
            select max(created_at) - interval '{{ var("lookback_days") }} days' from {{ this }}
        )
    {% endif %}
)

select * from ({order_attribution}) as order_attribution
