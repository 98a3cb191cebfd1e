{{ config(unique_key='signal_id', indexes=[{'columns': ['signal_id'], 'unique': true}]) }}

-- A signal's orders come after it, so that both can be narrowed.
with ai_trading_signals as not materialized (
    select *
    from public.ai_trading_signals
    {% if is_incremental() %}
        where created_at >= (
            select max(created_at) - interval '{{ var("lookback_days") }} days' from {{ this }}
        )
    {% endif %}
),

trading_orders as not materialized (
    select *
    from public.trading_orders
    {% if is_incremental() %}
        where created_at >= (
            select max(created_at) - interval '{{ var("lookback_days") }} days' from {{ this }}
        )
    {% endif %}
)

select * from ({signal_confluence}) as signal_confluence
