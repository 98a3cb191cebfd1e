-- Grain: a source in an account and a UTC day, every one from the source's first to the
-- last on which a signal came, a trade closed or the platform reported.

{{ config(
    unique_key=['source_type', 'source_name', 'account', 'currency', 'trading_date'],
    meta={'follows': 'whole'}
) }}

with peaks as (

    select
        *,
        max(greatest(start_equity, equity)) over (
            partition by source_type, source_name, account, currency
            order by trading_date
            rows between unbounded preceding and current row
        ) as peak_equity
    from {{ ref('int_source_equity') }}

),

last_closed as (

    select max(last_date) as last_date
    from {{ ref('int_windows') }}

),

source_performance_daily as (

    select
        peaks.source_type,
        peaks.source_name,
        peaks.account,
        peaks.currency,
        peaks.is_all_accounts,
        peaks.trading_date,
        peaks.trades,
        peaks.winning_trades,
        peaks.losing_trades,
        peaks.net_profit,
        peaks.gross_profit,
        peaks.gross_loss,
        peaks.start_equity,
        peaks.daily_return,
        peaks.equity,
        cast(peaks.equity - peaks.peak_equity as {{ type_double() }})
        / cast(peaks.peak_equity as {{ type_double() }}) as drawdown,
        peaks.has_open_position,
        coalesce(peaks.trading_date <= last_closed.last_date, false) as is_closed,
        {{ utc_midnight('peaks.trading_date + 1') }} as available_at
    from peaks
    cross join last_closed

)

select * from source_performance_daily
