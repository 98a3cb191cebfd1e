-- Grain: an AI model version, a UTC day on which it gave signals, a symbol, a bin of
-- their confidence, and the currency in which they were traded.

{{ config(materialized='view') }}

with signals as (

    select
        *,
        {{ utc_date('created_at') }} as signal_date,
        {{ utc_date('resolved_at') }} as resolved_date,
        {{ confidence_bin('confidence') }} as confidence_bin,
        0.5 + confidence / 2 as predicted,
        case when is_win then 1 else 0 end as hit
    from {{ ref('signal_outcomes') }}
    where signal_type <> 'HOLD'

),

model_outcomes_daily as (

    select
        model_id,
        min(model_name) as model_name,
        min(model_version) as model_version,
        signal_date,
        symbol,
        confidence_bin,
        executed_currency as currency,
        count(*) as signals,
        count(is_win) as resolved,
        count(*) filter (where is_win) as wins,
        sum(predicted) filter (where is_win is not null) as predicted,
        sum((predicted - hit) * (predicted - hit)) filter (where is_win is not null)
            as squared_errors,
        sum(outcome_return) as returns,
        sum(outcome_return) filter (where is_win) as won_returns,
        count(*) filter (where executed_trades > 0) as traded,
        cast(sum(executed_trades) as bigint) as executed_trades,
        cast(sum(executed_net_profit) as {{ type_money() }}) as executed_net_profit,
        cast(
            max({{ days_between('signal_date', 'resolved_date') }}) as integer
        ) as longest_days,
        max(greatest(created_at, available_at, executed_available_at)) as available_at
    from signals
    group by model_id, signal_date, symbol, confidence_bin, executed_currency

)

select * from model_outcomes_daily
