-- Grain: a source and a UTC day, every one from the source's first to the last on which
-- a signal came, a trade closed or the platform reported.

{# The linter has no value for a var: the default is for it alone. #}
{% set capital_base = var('capital_base', 1) %}

{{ config(
    unique_key=['source_type', 'source_name', 'trading_date'],
    meta={'follows': 'whole'}
) }}

with calendar as (

    select * from {{ ref('int_calendar') }}

),

windows as (

    select * from {{ ref('int_windows') }}

),

sources as (

    select * from {{ ref('int_sources') }}

),

source_days as (

    select *
    from {{ ref('int_source_days') }}

),

facts as (

    select
        source_type,
        source_name,
        trading_date,
        trades,
        winning_trades,
        losing_trades,
        net_profit,
        gross_profit,
        gross_loss,
        opened_positions as change
    from source_days

    union all

    -- On the day on which it is closed, a position was open.
    select
        source_type,
        source_name,
        trading_date + 1 as trading_date,
        0 as trades,
        0 as winning_trades,
        0 as losing_trades,
        0 as net_profit,
        0 as gross_profit,
        0 as gross_loss,
        -1 * trades as change
    from source_days

),

named_facts as (

    select * from facts
    where source_name <> 'all'

    union all

    select
        source_type,
        'all' as source_name,
        trading_date,
        trades,
        winning_trades,
        losing_trades,
        net_profit,
        gross_profit,
        gross_loss,
        change
    from facts

),

-- A position may have been opened, and an order's fill stamped, before the source's
-- first day.
daily_facts as (

    select
        sources.source_type,
        sources.source_name,
        greatest(named_facts.trading_date, sources.first_date) as trading_date,
        sum(named_facts.trades) as trades,
        sum(named_facts.winning_trades) as winning_trades,
        sum(named_facts.losing_trades) as losing_trades,
        sum(named_facts.net_profit) as net_profit,
        sum(named_facts.gross_profit) as gross_profit,
        sum(named_facts.gross_loss) as gross_loss,
        sum(named_facts.change) as change
    from named_facts
    inner join sources
        on
            named_facts.source_type = sources.source_type
            and named_facts.source_name = sources.source_name
    group by
        sources.source_type,
        sources.source_name,
        greatest(named_facts.trading_date, sources.first_date)

),

dense_days as (

    select
        sources.source_type,
        sources.source_name,
        calendar.trading_date
    from sources
    inner join calendar
        on sources.first_date <= calendar.trading_date

),

joined as (

    select
        dense_days.source_type,
        dense_days.source_name,
        dense_days.trading_date,
        coalesce(daily_facts.trades, 0) as trades,
        coalesce(daily_facts.winning_trades, 0) as winning_trades,
        coalesce(daily_facts.losing_trades, 0) as losing_trades,
        coalesce(daily_facts.net_profit, 0) as net_profit,
        coalesce(daily_facts.gross_profit, 0) as gross_profit,
        coalesce(daily_facts.gross_loss, 0) as gross_loss,
        coalesce(daily_facts.change, 0) as change
    from dense_days
    left join daily_facts
        on
            dense_days.source_type = daily_facts.source_type
            and dense_days.source_name = daily_facts.source_name
            and dense_days.trading_date = daily_facts.trading_date

),

running as (

    select
        *,
        cast(
            {{ capital_base }} + sum(net_profit) over past as {{ type_money() }}
        ) as equity,
        sum(change) over past as open_lots
    from joined
    window past as (
        partition by source_type, source_name
        order by trading_date
        rows between unbounded preceding and current row
    )

),

peaks as (

    select
        *,
        cast(equity - net_profit as {{ type_money() }}) as start_equity,
        greatest(
            cast({{ capital_base }} as {{ type_money() }}),
            max(equity) over (
                partition by source_type, source_name
                order by trading_date
                rows between unbounded preceding and current row
            )
        ) as peak_equity
    from running

),

last_closed as (

    select max(last_date) as last_date
    from windows

),

source_performance_daily as (

    select
        peaks.source_type,
        peaks.source_name,
        peaks.trading_date,
        cast(peaks.trades as bigint) as trades,
        cast(peaks.winning_trades as bigint) as winning_trades,
        cast(peaks.losing_trades as bigint) as losing_trades,
        cast(peaks.net_profit as {{ type_money() }}) as net_profit,
        cast(peaks.gross_profit as {{ type_money() }}) as gross_profit,
        cast(peaks.gross_loss as {{ type_money() }}) as gross_loss,
        peaks.start_equity,
        case
            when peaks.start_equity > 0
                then
                    cast(peaks.net_profit as {{ type_double() }})
                    / cast(peaks.start_equity as {{ type_double() }})
        end as daily_return,
        peaks.equity,
        cast(peaks.equity - peaks.peak_equity as {{ type_double() }})
        / cast(peaks.peak_equity as {{ type_double() }}) as drawdown,
        peaks.open_lots > 0 as has_open_position,
        coalesce(peaks.trading_date <= last_closed.last_date, false) as is_closed,
        {{ utc_midnight('peaks.trading_date + 1') }} as available_at
    from peaks
    cross join last_closed

)

select * from source_performance_daily
