-- Grain: a source in an account and a UTC day, every one from the source's first to the
-- last on which a signal came, a trade closed or the platform reported.

{{ config(
    unique_key=['source_type', 'source_name', 'account', 'currency', 'trading_date'],
    meta={'follows': 'whole'}
) }}

with source_performance_daily as (

    {{ performance_daily(
        ref('int_source_equity'), 'source_type, source_name, account, currency'
    ) | indent(4) }}

)

select * from source_performance_daily
