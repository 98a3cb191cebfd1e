-- Grain: a source and a window in which it won or lost a trade. Days are UTC.

with trades as (

    select * from {{ ref('trades') }}

),

sources as (

    select * from {{ ref('int_sources') }}

),

windows as (

    select * from {{ ref('int_windows') }}

),

named_trades as (

    select
        sources.source_number,
        trades.opening_order_id,
        trades.closing_order_id,
        trades.net_profit,
        trades.exit_at
    from trades
    inner join sources
        on
            trades.source_type = sources.source_type
            and trades.source_name = sources.source_name
            and not sources.is_total

    union all

    select
        sources.source_number,
        trades.opening_order_id,
        trades.closing_order_id,
        trades.net_profit,
        trades.exit_at
    from trades
    inner join sources
        on
            trades.source_type = sources.source_type
            and sources.is_total

),

signed_trades as (

    select
        source_number,
        opening_order_id,
        closing_order_id,
        exit_at,
        {{ utc_date('exit_at') }} as exit_date,
        cast(sign(net_profit) as integer) as result
    from named_trades

),

-- Two numberings run in step as long as the result stays the same: their difference
-- names the streak.
numbered as (

    select
        source_number,
        exit_date,
        result,
        row_number() over (
            partition by source_number
            order by exit_at, closing_order_id, opening_order_id
        ) - row_number() over (
            partition by source_number, result
            order by exit_at, closing_order_id, opening_order_id
        ) as streak_number
    from signed_trades

),

streak_days as (

    select
        source_number,
        result,
        streak_number,
        exit_date,
        count(*) as trades
    from numbered
    where result <> 0
    group by source_number, result, streak_number, exit_date

),

-- A window cuts the streak at its ends and nowhere else: what it holds of one is still
-- in one piece.
streaks as (

    select
        streak_days.source_number,
        windows.window_name,
        streak_days.result,
        streak_days.streak_number,
        sum(streak_days.trades) as trades
    from streak_days
    inner join windows
        on streak_days.exit_date between windows.first_date and windows.last_date
    group by
        streak_days.source_number,
        windows.window_name,
        streak_days.result,
        streak_days.streak_number

),

longest_streaks as (

    select
        source_number,
        window_name,
        cast(
            coalesce(max(trades) filter (where result = 1), 0) as bigint
        ) as longest_win_streak,
        cast(
            coalesce(max(trades) filter (where result = -1), 0) as bigint
        ) as longest_loss_streak
    from streaks
    group by source_number, window_name

),

source_streaks as (

    select
        sources.source_type,
        sources.source_name,
        longest_streaks.window_name,
        longest_streaks.longest_win_streak,
        longest_streaks.longest_loss_streak
    from longest_streaks
    inner join sources
        on longest_streaks.source_number = sources.source_number

)

select * from source_streaks
