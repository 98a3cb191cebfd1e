-- Every live forecast was known, and not yet expired, at the close at which it counts.

with live_forecasts as (

    select * from {{ ref('int_ensemble_forecasts_live') }}

),

forecasts as (

    select * from {{ ref('int_ensemble_forecasts') }}

),

bars as (

    select * from {{ ref('int_ensemble_bars') }}

),

signals as (

    select * from {{ ref('stg_ai__trading_signals') }}

),

violations as (

    select
        bars.symbol,
        bars.decided_at,
        forecasts.forecast_type,
        forecasts.forecast_id
    from live_forecasts
    inner join forecasts
        on
            live_forecasts.expert_number = forecasts.expert_number
            and live_forecasts.forecast_id = forecasts.forecast_id
    inner join bars
        on
            live_forecasts.symbol = bars.symbol
            and live_forecasts.decided_at = bars.decided_at
    left join signals
        on
            forecasts.forecast_type = 'signal'
            and forecasts.forecast_id = signals.signal_id
    where
        forecasts.available_at > bars.decided_at
        or signals.expires_at <= bars.decided_at
        or bars.available_at > bars.decided_at

)

select * from violations
