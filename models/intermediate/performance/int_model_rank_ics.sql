-- Grain: a model, a window and a horizon with a rank correlation. Days are UTC.

with forward_returns as (

    select * from {{ ref('int_signals_forward') }}

),

windows as (

    select * from {{ ref('int_windows') }}

),

symbol_counts as (

    select
        model_id,
        count(distinct symbol) as symbols
    from forward_returns
    group by model_id

),

last_closed as (

    select max(last_date) as last_date
    from windows

),

known_returns as (

    select forward_returns.*
    from forward_returns
    cross join last_closed
    where
        forward_returns.known_at
        <= {{ utc_midnight('last_closed.last_date + 1') }}

),

-- Over symbols, a day is a sample. Over time, where a model has one symbol, a window
-- is.
samples as (

    select
        known_returns.model_id,
        known_returns.horizon_number,
        known_returns.horizon_bars,
        cast(null as {{ dbt.type_string() }}) as window_name,
        known_returns.signal_date as sample_date,
        known_returns.score,
        known_returns.forward_return
    from known_returns
    inner join symbol_counts
        on
            known_returns.model_id = symbol_counts.model_id
            and symbol_counts.symbols > 1

    union all

    select
        known_returns.model_id,
        known_returns.horizon_number,
        known_returns.horizon_bars,
        windows.window_name,
        cast(null as date) as sample_date,
        known_returns.score,
        known_returns.forward_return
    from known_returns
    inner join symbol_counts
        on
            known_returns.model_id = symbol_counts.model_id
            and symbol_counts.symbols = 1
    inner join windows
        on
            known_returns.signal_date between windows.first_date
            and windows.last_date

),

-- Ties share the mean of their ranks.
ranked as (

    select
        model_id,
        horizon_number,
        horizon_bars,
        window_name,
        sample_date,
        cast(
            2 * rank() over (
                partition by model_id, horizon_number, window_name, sample_date
                order by score
            ) + count(*) over (
                partition by model_id, horizon_number, window_name, sample_date, score
            ) as {{ type_double() }}
        ) as score_rank,
        cast(
            2 * rank() over (
                partition by model_id, horizon_number, window_name, sample_date
                order by forward_return
            ) + count(*) over (
                partition by
                    model_id,
                    horizon_number,
                    window_name,
                    sample_date,
                    forward_return
            ) as {{ type_double() }}
        ) as return_rank
    from samples

),

-- Spearman's correlation is Pearson's of the ranks; the ranks above are twice those,
-- which changes nothing. Where all ranks are one there is none.
sample_ics as (

    select
        model_id,
        horizon_number,
        horizon_bars,
        window_name,
        sample_date,
        count(*) as observations,
        case
            when
                min(score_rank) < max(score_rank)
                and min(return_rank) < max(return_rank)
                then corr(score_rank, return_rank)
        end as rank_ic
    from ranked
    group by model_id, horizon_number, horizon_bars, window_name, sample_date

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
        avg(rank_ic) as rank_ic,
        case
            when max(rank_ic) - min(rank_ic) > 1e-12
                then avg(rank_ic) / stddev_samp(rank_ic)
        end as ic_ir
    from window_ics
    group by model_id, window_name, horizon_number, horizon_bars, rank_ic_over

)

select * from model_ics
