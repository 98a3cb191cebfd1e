-- Grain: a source in an account and a window in which it closed a trade. Days are UTC.

{{ config(
    unique_key=['source_type', 'source_name', 'account', 'currency', 'window_name'],
    meta={'follows': 'whole'}
) }}

with windows as (

    select * from {{ ref('int_windows') }}

),

-- A strategy that is also called 'all' is no source of its own.
source_days as (

    select days.*
    from {{ ref('int_source_drawdowns_daily') }} as days
    inner join {{ ref('int_sources') }} as sources
        on
            {{ same_source('days', 'sources') }}
            and days.is_total = sources.is_total

),

-- The cumulated profit of a window begins at 0.
window_days as (

    select
        source_days.*,
        windows.window_name,
        sum(source_days.net_profit) over (
            partition by
                source_days.source_type,
                source_days.source_name,
                source_days.account,
                source_days.currency,
                windows.window_name
            order by source_days.trading_date
            rows between unbounded preceding and current row
        ) - source_days.net_profit as profit_before
    from source_days
    inner join windows
        on source_days.trading_date between windows.first_date and windows.last_date

),

peaks as (

    select
        *,
        max(profit_before + highest_profit) over (
            partition by source_type, source_name, account, currency, window_name
            order by trading_date
            rows between unbounded preceding and 1 preceding
        ) as peak_before
    from window_days

),

-- A fall lies within a day, or goes from the peak of earlier days to the lowest profit
-- of the day.
source_drawdowns as (

    select
        source_type,
        source_name,
        account,
        currency,
        window_name,
        cast(
            max(greatest(
                largest_fall,
                coalesce(peak_before, 0) - (profit_before + lowest_profit)
            )) as {{ type_money() }}
        ) as max_drawdown_by_trade
    from peaks
    group by source_type, source_name, account, currency, window_name

)

select * from source_drawdowns
