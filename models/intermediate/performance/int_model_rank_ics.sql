-- Grain: a model, a window and a horizon with a rank correlation. Days are UTC.

with daily_ics as (

    select * from {{ ref('int_model_rank_ics_daily') }}

),

windows as (

    select * from {{ ref('int_windows') }}

),

last_closed as (

    select max(last_date) as last_date
    from windows

),

-- What is known of a day's returns when the last window closes: all or some of them.
closed_daily_ics as (

    select
        daily_ics.*,
        {{ utc_midnight('last_closed.last_date + 1') }} as closed_at,
        -- Over symbols, a day is a sample. Over time, where a model has one symbol, a
        -- window is.
        min(daily_ics.first_symbol) over (partition by daily_ics.model_id)
        < max(daily_ics.last_symbol) over (partition by daily_ics.model_id)
            as is_over_symbols
    from daily_ics
    cross join last_closed

),

{% set sample = ['model_id', 'horizon_number', 'window_name', 'sample_date'] %}

-- Samples that are not ready: days of which a part is known, and all days of a model
-- with one symbol.
samples as (

    select
        forward_returns.model_id,
        forward_returns.horizon_number,
        forward_returns.horizon_bars,
        cast(null as {{ dbt.type_string() }}) as window_name,
        forward_returns.signal_date as sample_date,
        forward_returns.score,
        forward_returns.forward_return
    from closed_daily_ics
    inner join {{ ref('int_signals_forward') }} as forward_returns
        on
            closed_daily_ics.model_id = forward_returns.model_id
            and closed_daily_ics.signal_date = forward_returns.signal_date
            and closed_daily_ics.horizon_number = forward_returns.horizon_number
            and closed_daily_ics.closed_at >= forward_returns.known_at
    where
        closed_daily_ics.is_over_symbols
        and closed_daily_ics.first_known_at <= closed_daily_ics.closed_at
        and closed_daily_ics.known_at > closed_daily_ics.closed_at

    union all

    select
        forward_returns.model_id,
        forward_returns.horizon_number,
        forward_returns.horizon_bars,
        windows.window_name,
        cast(null as date) as sample_date,
        forward_returns.score,
        forward_returns.forward_return
    from closed_daily_ics
    inner join {{ ref('int_signals_forward') }} as forward_returns
        on
            closed_daily_ics.model_id = forward_returns.model_id
            and closed_daily_ics.signal_date = forward_returns.signal_date
            and closed_daily_ics.horizon_number = forward_returns.horizon_number
            and closed_daily_ics.closed_at >= forward_returns.known_at
    inner join windows
        on
            forward_returns.signal_date between windows.first_date
            and windows.last_date
    where not closed_daily_ics.is_over_symbols

),

ranked as (

    select
        *,
        {{ doubled_rank('score', sample) }} as score_rank,
        {{ doubled_rank('forward_return', sample) }} as return_rank
    from samples

),

sample_ics as (

    select
        model_id,
        horizon_number,
        horizon_bars,
        window_name,
        sample_date,
        count(*) as observations,
        {{ rank_correlation('score_rank', 'return_rank') }} as rank_ic
    from ranked
    group by model_id, horizon_number, horizon_bars, window_name, sample_date

    union all

    select
        model_id,
        horizon_number,
        horizon_bars,
        cast(null as {{ dbt.type_string() }}) as window_name,
        signal_date as sample_date,
        observations,
        rank_ic
    from closed_daily_ics
    where
        is_over_symbols
        and known_at <= closed_at

),

window_ics as (

    select
        sample_ics.model_id,
        windows.window_name,
        sample_ics.horizon_number,
        sample_ics.horizon_bars,
        'symbols' as rank_ic_over,
        sample_ics.observations,
        sample_ics.rank_ic
    from sample_ics
    inner join windows
        on sample_ics.sample_date between windows.first_date and windows.last_date

    union all

    select
        model_id,
        window_name,
        horizon_number,
        horizon_bars,
        'time' as rank_ic_over,
        observations,
        rank_ic
    from sample_ics
    where window_name is not null

),

model_ics as (

    select
        model_id,
        window_name,
        horizon_number,
        horizon_bars,
        rank_ic_over,
        count(rank_ic) as samples,
        cast(
            coalesce(sum(observations) filter (where rank_ic is not null), 0) as bigint
        ) as observations,
        -- A sum of numerics has one sign, whatever the order of the rows.
        cast(
            avg(cast(rank_ic as numeric(38, 18))) as {{ type_double() }}
        ) as rank_ic,
        case
            when max(rank_ic) - min(rank_ic) > 1e-12
                then stddev_samp(rank_ic)
        end as deviation
    from window_ics
    group by model_id, window_name, horizon_number, horizon_bars, rank_ic_over

),

model_rank_ics as (

    select
        model_id,
        window_name,
        horizon_number,
        horizon_bars,
        rank_ic_over,
        samples,
        observations,
        rank_ic,
        rank_ic / deviation as ic_ir
    from model_ics

)

select * from model_rank_ics
