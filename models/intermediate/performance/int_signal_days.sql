-- Grain: a UTC day and a model that gave a signal on it.

{{ config(
    unique_key=['trading_date', 'model_id'],
    meta={
        'affected_by': 'trading_date',
        'follows': {
            'stg_ai__trading_signals': utc_date('created_at')
        }
    }
) }}

with signals as (

    select *
    from {{ followed('stg_ai__trading_signals') }}

),

signal_days as (

    select
        {{ utc_date('created_at') }} as trading_date,
        model_id,
        count(*) as signals,
        count(*) filter (where signal_type = 'BUY') as buy_signals,
        count(*) filter (where signal_type = 'SELL') as sell_signals,
        count(*) filter (where signal_type = 'HOLD') as hold_signals,
        {{ sum_exactly('confidence') }} as total_confidence,
        max(available_at) as available_at
    from signals
    group by {{ utc_date('created_at') }}, model_id

)

select * from signal_days
