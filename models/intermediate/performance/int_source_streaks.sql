-- Grain: a source in an account and a window in which it closed a trade. Days are UTC.

{{ config(
    unique_key=['source_type', 'source_name', 'account', 'currency', 'window_name'],
    meta={'follows': 'whole'}
) }}

with windows as (

    select * from {{ ref('int_windows') }}

),

-- A strategy that is also called 'all' is no source of its own.
source_runs as (

    select source_runs.*
    from {{ ref('int_source_runs') }} as source_runs
    inner join {{ ref('int_sources') }} as sources
        on
            {{ same_source('source_runs', 'sources') }}
            and source_runs.is_total = sources.is_total

),

-- Only the first run of a day may go on from the day before, and only the last one to
-- the day after.
outer_runs as (

    {% for place in ['first', 'last'] %}
        select
            source_type,
            source_name,
            account,
            currency,
            trading_date,
            {{ loop.index }} as run_number,
            {{ place }}_result as result,
            {{ place }}_run_trades as trades
        from source_runs
        where runs >= {{ loop.index }}
        {{ 'union all' if not loop.last }}
    {% endfor %}

),

neighbours as (

    select
        *,
        run_number = 1
        and result = lag(result) over source_days as continues,
        result = lead(result) over source_days
        and lead(run_number) over source_days = 1 as is_continued
    from outer_runs
    window
        source_days as (
            partition by source_type, source_name, account, currency
            order by trading_date, run_number
        )

),

-- A streak within one day is already among the day's longest.
streak_days as (

    select
        source_type,
        source_name,
        account,
        currency,
        trading_date,
        result,
        trades,
        sum(case when continues then 0 else 1 end) over (
            partition by source_type, source_name, account, currency
            order by trading_date, run_number
            rows between unbounded preceding and current row
        ) as streak_number
    from neighbours
    where
        result <> 0
        and (continues or is_continued)

),

-- A window cuts streaks only at its two ends: its part of a streak has no gaps.
streaks as (

    select
        streak_days.source_type,
        streak_days.source_name,
        streak_days.account,
        streak_days.currency,
        windows.window_name,
        streak_days.result,
        sum(streak_days.trades) as trades
    from streak_days
    inner join windows
        on streak_days.trading_date between windows.first_date and windows.last_date
    group by
        streak_days.source_type,
        streak_days.source_name,
        streak_days.account,
        streak_days.currency,
        windows.window_name,
        streak_days.result,
        streak_days.streak_number

),

wins_and_losses as (

    select
        source_type,
        source_name,
        account,
        currency,
        window_name,
        case when result = 1 then trades else 0 end as won_trades,
        case when result = -1 then trades else 0 end as lost_trades
    from streaks

    union all

    select
        source_runs.source_type,
        source_runs.source_name,
        source_runs.account,
        source_runs.currency,
        windows.window_name,
        max(source_runs.longest_win_run_trades) as won_trades,
        max(source_runs.longest_loss_run_trades) as lost_trades
    from source_runs
    inner join windows
        on
            source_runs.trading_date >= windows.first_date
            and source_runs.trading_date <= windows.last_date
    group by
        source_runs.source_type,
        source_runs.source_name,
        source_runs.account,
        source_runs.currency,
        windows.window_name

),

longest_streaks as (

    select
        source_type,
        source_name,
        account,
        currency,
        window_name,
        cast(max(won_trades) as bigint) as longest_win_streak,
        cast(max(lost_trades) as bigint) as longest_loss_streak
    from wins_and_losses
    group by source_type, source_name, account, currency, window_name

)

select * from longest_streaks
