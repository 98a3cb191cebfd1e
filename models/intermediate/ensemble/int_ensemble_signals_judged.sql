-- Grain: a signal that says BUY or SELL, with the relation to its pattern as known when
-- it came, and with what came of it. Times are UTC.

{{ config(pre_hook="{{ avoid_nested_loops() }}") }}

with signals as (

    select * from {{ ref('stg_ai__trading_signals') }}

),

patterns as (

    select * from {{ ref('stg_platform__micro_patterns') }}

),

forecasts as (

    select *
    from {{ ref('int_ensemble_forecasts') }}
    where forecast_type = 'signal'

),

bars as (

    select * from {{ ref('int_ensemble_bars') }}

),

-- A pattern that was detected after the signal was not known to it. The outcome is that
-- of the first close at which the signal was known, over the ensemble's horizon.
compared as (

    select
        signals.signal_id,
        signals.model_id,
        signals.symbol,
        signals.signal_type,
        signals.confidence,
        cast({{ confidence_bin('signals.confidence') }} as bigint) as confidence_bin,
        case
            when patterns.pattern_id is not null
                then coalesce(patterns.pattern_type, 'unknown')
        end as pattern_type,
        case
            when patterns.pattern_id is null then 'no_pattern'
            when patterns.pattern_signal = signals.signal_type then 'confirm'
            when patterns.pattern_signal in ('BUY', 'SELL') then 'contradict'
            else 'neutral'
        end as relation,
        signals.created_at,
        signals.available_at,
        bars.went_up,
        bars.resolved_at
    from signals
    left join patterns
        on
            signals.pattern_id = patterns.pattern_id
            and signals.available_at >= patterns.available_at
    left join forecasts
        on signals.signal_id = forecasts.forecast_id
    left join bars
        on forecasts.first_bar_number = bars.bar_number
    where signals.signal_type in ('BUY', 'SELL')

),

-- A price that stood still is neither a win nor a loss.
int_ensemble_signals_judged as (

    select
        signal_id,
        model_id,
        symbol,
        signal_type,
        confidence,
        confidence_bin,
        pattern_type,
        relation,
        case
            when signal_type = 'BUY' then went_up
            else 1 - went_up
        end as is_win,
        created_at,
        available_at,
        resolved_at
    from compared

)

select * from int_ensemble_signals_judged
