-- All trades of the chosen sources, or of each type of source, by all that tells them apart
-- but their symbol.
select
    source_type || ': ' || source_name as source,
    dimension,
    dimension_value,
    trades,
    winning_trades as wins,
    losing_trades as losses,
    hit_rate,
    hit_rate_lower,
    hit_rate_upper,
    profit_factor,
    expectancy,
    expectancy_lower,
    expectancy_upper,
    average_win,
    average_loss,
    fees,
    net_profit
from performance.trade_breakdowns
where
    account = %(account)s
    and currency = %(currency)s
    and dimension <> 'symbol'
    and case
        when %(sources)s::text[] is null then source_name = 'all'
        else source_name = any(%(sources)s)
    end
order by source, dimension, place, trades desc, dimension_value
