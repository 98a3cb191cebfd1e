-- Rolling Sharpe ratio and gross exposure by day, of the account or of the sources that are asked for.
with days as (
    select
        'account' as source,
        account,
        currency,
        trading_date,
        rolling_sharpe_ratio,
        gross_exposure,
        open_value,
        is_closed
    from performance.account_performance_daily
    where %(sources)s::text[] is null

    union all

    select
        source_type || ': ' || source_name as source,
        account,
        currency,
        trading_date,
        rolling_sharpe_ratio,
        gross_exposure,
        open_value,
        is_closed
    from performance.source_performance_daily
    where source_name = any(%(sources)s)
)

select
    source,
    trading_date,
    rolling_sharpe_ratio,
    gross_exposure,
    open_value
from days
where
    is_closed
    and account = %(account)s
    and currency = %(currency)s
    and (%(first)s::date is null or trading_date >= %(first)s)
    and (%(last)s::date is null or trading_date <= %(last)s)
order by source, trading_date
