-- Grain: a model, a UTC day with signals whose horizons have all passed, and a horizon.

{{ config(
    unique_key=['model_id', 'signal_date', 'horizon_number'],
    meta={
        'affected_by': ['model_id', 'signal_date'],
        'follows': {
            'int_signal_forward_returns': 'model_id, signal_date'
        }
    }
) }}

with forward_returns as (

    select *
    from {{ followed(
        'int_signal_forward_returns',
        where='stored.model_id = affected.model_id'
            ~ ' and stored.signal_date = affected.signal_date'
    ) }}

),

{% set sample = ['model_id', 'signal_date', 'horizon_number'] %}

ranked as (

    select
        *,
        {{ doubled_rank('score', sample) }} as score_rank,
        {{ doubled_rank('forward_return', sample) }} as return_rank
    from forward_returns

),

daily_ics as (

    select
        model_id,
        signal_date,
        horizon_number,
        horizon_bars,
        min(symbol) as first_symbol,
        max(symbol) as last_symbol,
        count(*) as observations,
        {{ rank_correlation('score_rank', 'return_rank') }} as rank_ic,
        min(known_at) as first_known_at,
        max(known_at) as known_at
    from ranked
    group by model_id, signal_date, horizon_number, horizon_bars

)

select * from daily_ics
