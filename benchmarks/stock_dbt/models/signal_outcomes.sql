{{ config(unique_key='signal_id', indexes=[{'columns': ['signal_id'], 'unique': true}]) }}

with ai_trading_signals as not materialized (
    select *
    from public.ai_trading_signals
    {% if is_incremental() %}
        where created_at >= (
            select max(created_at) - interval '{{ var("lookback_days") }} days' from {{ this }}
        )
    {% endif %}
)

select * from ({signal_outcomes}) as signal_outcomes
