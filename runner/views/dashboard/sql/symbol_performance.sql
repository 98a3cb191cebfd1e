-- All trades of each symbol: of the AI and the platform's own, or of the models that are asked for.
select
    symbol,
    source_type || ': ' || source_name as source,
    trades,
    winning_trades as wins,
    losing_trades as losses,
    hit_rate,
    profit_factor,
    expectancy,
    average_win,
    average_loss,
    fees,
    net_profit,
    last_closed_at
from performance.symbol_performance
where
    account = %(account)s
    and currency = %(currency)s
    and (%(symbols)s::text[] is null or symbol = any(%(symbols)s))
    and case
        when %(models)s::text[] is null then source_name = 'all'
        else source_name = any(%(models)s)
    end
order by net_profit desc, symbol, source
