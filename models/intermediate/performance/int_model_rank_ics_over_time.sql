-- Grain: a model with one symbol, a window in which a return of it is known, and a
-- horizon. Days are UTC.

{{ config(
    unique_key=['model_id', 'window_name', 'horizon_number'],
    meta={'follows': 'whole'}
) }}

with windows as (

    select * from {{ ref('int_windows') }}

),

closing as (

    select {{ utc_midnight('max(last_date) + 1') }} as closed_at
    from windows

),

-- A model with one symbol has no ranks within a day, so the correlation is over the
-- days of a window.
models as (

    select
        daily_ics.model_id,
        closing.closed_at
    from {{ ref('int_model_rank_ics_daily') }} as daily_ics
    cross join closing
    group by daily_ics.model_id, closing.closed_at
    having min(daily_ics.first_symbol) = max(daily_ics.last_symbol)

),

{% set sample = ['model_id', 'window_name', 'horizon_number'] %}

samples as (

    select
        forward_returns.model_id,
        windows.window_name,
        forward_returns.horizon_number,
        forward_returns.horizon_bars,
        forward_returns.score,
        forward_returns.forward_return
    from models
    inner join lateral (
        select stored.*
        from {{ ref('int_signal_forward_returns') }} as stored
        where
            stored.model_id = models.model_id
            and stored.known_at <= models.closed_at
        {{ kept_apart() }}
    ) as forward_returns on true
    inner join windows
        on
            forward_returns.signal_date between windows.first_date
            and windows.last_date

),

ranked as (

    select
        *,
        {{ doubled_rank('score', sample) }} as score_rank,
        {{ doubled_rank('forward_return', sample) }} as return_rank
    from samples

),

model_ics as (

    select
        model_id,
        window_name,
        horizon_number,
        horizon_bars,
        count(*) as observations,
        {{ rank_correlation('score_rank', 'return_rank') }} as rank_ic
    from ranked
    group by model_id, window_name, horizon_number, horizon_bars

)

select * from model_ics
