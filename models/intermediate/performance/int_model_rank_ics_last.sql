-- Grain: a model with more than one symbol, a UTC day of which only some returns are
-- known when the last window closes, and a horizon.

{{ config(
    unique_key=['model_id', 'signal_date', 'horizon_number'],
    meta={'follows': 'whole'}
) }}

with closing as (

    select {{ utc_midnight('max(last_date) + 1') }} as closed_at
    from {{ ref('int_windows') }}

),

models as (

    select
        model_id,
        min(first_symbol) < max(last_symbol) as is_over_symbols
    from {{ ref('int_model_rank_ics_daily') }}
    group by model_id

),

{% set sample = ['model_id', 'horizon_number', 'signal_date'] %}

last_returns as (

    select forward_returns.*
    from {{ ref('int_model_rank_ics_daily') }} as daily_ics
    inner join closing
        on
            daily_ics.known_at > closing.closed_at
            and daily_ics.first_known_at <= closing.closed_at
    inner join models
        on
            daily_ics.model_id = models.model_id
            and models.is_over_symbols
    inner join lateral (
        select stored.*
        from {{ ref('int_signal_forward_returns') }} as stored
        where
            stored.model_id = daily_ics.model_id
            and stored.signal_date = daily_ics.signal_date
            and stored.horizon_number = daily_ics.horizon_number
            and stored.known_at <= closing.closed_at
        {{ kept_apart() }}
    ) as forward_returns on true

),

ranked as (

    select
        *,
        {{ doubled_rank('score', sample) }} as score_rank,
        {{ doubled_rank('forward_return', sample) }} as return_rank
    from last_returns

),

last_ics as (

    select
        model_id,
        horizon_number,
        horizon_bars,
        signal_date,
        count(*) as observations,
        {{ rank_correlation('score_rank', 'return_rank') }} as rank_ic
    from ranked
    group by model_id, horizon_number, horizon_bars, signal_date

)

select * from last_ics
