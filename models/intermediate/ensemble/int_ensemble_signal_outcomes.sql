-- Grain: a signal that says BUY or SELL, with the relation to its pattern as known when
-- it came, and with its outcome. Times are UTC.

{# The first close of the forecast, if the forecast is a signal. #}
{% set signal_id = "case forecast_type when 'signal' then forecast_id end" %}

{{ config(
    unique_key='signal_id',
    meta={
        'follows': {
            'stg_ai__trading_signals': 'signal_id',
            'int_ensemble_forecasts': signal_id,
            'stg_platform__micro_patterns': through(
                'stg_ai__trading_signals', 'pattern_id'
            ),
            'int_ensemble_bars': through(
                'int_ensemble_forecasts',
                'symbol, first_bar_number',
                of='symbol, bar_number',
                keys=signal_id
            )
        }
    },
    indexes=[
        {'columns': ['model_id', 'signal_type', 'available_at']},
        {'columns': ['model_id', 'resolved_at']}
    ],
    pre_hook="{{ avoid_nested_loops() }}"
) }}

with signals as (

    select *
    from {{ followed('stg_ai__trading_signals') }}

),

patterns as (

    select * from {{ ref('stg_platform__micro_patterns') }}

),

forecasts as (

    select *
    from {{ followed('int_ensemble_forecasts', by='forecast_id') }}
    where forecast_type = 'signal'

),

bars as (

    select * from {{ ref('int_ensemble_bars') }}

),

-- Patterns and outcomes are joined to the signals that have them, before the other
-- signals are added: a left join on pattern_id may hash all signals without a pattern
-- into one bucket, which no number of batches splits.
matched_patterns as (

    {{ known_patterns('signals', 'patterns') }}

),

-- The outcome is the price's direction over the ensemble's horizon, from the first
-- close at which the signal was known.
outcomes as (

    select
        forecasts.forecast_id as signal_id,
        bars.went_up,
        bars.resolved_at
    from forecasts
    inner join bars
        on
            forecasts.symbol = bars.symbol
            and forecasts.first_bar_number = bars.bar_number

),

compared as (

    select
        signals.signal_id,
        signals.model_id,
        signals.symbol,
        signals.signal_type,
        signals.confidence,
        cast({{ confidence_bin('signals.confidence') }} as bigint) as confidence_bin,
        case
            when matched_patterns.signal_id is not null
                then coalesce(matched_patterns.pattern_type, 'unknown')
        end as pattern_type,
        coalesce(matched_patterns.relation, 'no_pattern') as relation,
        signals.created_at,
        signals.available_at,
        outcomes.went_up,
        outcomes.resolved_at
    from signals
    left join matched_patterns
        on signals.signal_id = matched_patterns.signal_id
    left join outcomes
        on signals.signal_id = outcomes.signal_id
    where signals.signal_type in ('BUY', 'SELL')

),

-- A price that stood still is neither a win nor a loss.
int_ensemble_signal_outcomes as (

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

select * from int_ensemble_signal_outcomes {{ newest_together('signal_id') }}
