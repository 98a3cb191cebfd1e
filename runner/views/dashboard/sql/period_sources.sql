-- Each source's results in a period. Only sums and rates: ratios exist for whole windows only.
select
    source_type || ': ' || source_name as source,
    cast(sum(trades) as bigint) as trades,
    cast(sum(winning_trades) as bigint) as wins,
    cast(sum(losing_trades) as bigint) as losses,
    sum(net_profit) as net_profit,
    case
        when (array_agg(start_equity order by trading_date))[1] > 0
            then sum(net_profit) / (array_agg(start_equity order by trading_date))[1]
    end as period_return,
    min(drawdown) as lowest_drawdown
from performance.source_performance_daily
where
    trading_date between %(first)s and %(last)s
    and account = %(account)s
    and currency = %(currency)s
group by source_type, source_name
order by source_type, source_name <> 'all', net_profit desc
