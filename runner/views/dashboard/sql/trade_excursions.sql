-- The newest trades of the period whose excursions are known.
select
    trade_id,
    source_type || ': ' || source_name as source,
    symbol,
    direction,
    exit_at,
    result,
    net_profit,
    r_multiple,
    mae,
    mfe,
    cast(initial_risk / nullif(quantity * entry_price, 0) as double precision) as stop_distance
from performance.trades
where
    mae is not null
    and currency = %(currency)s
    and %(account)s in (account, 'all')
    and (%(symbols)s::text[] is null or symbol = any(%(symbols)s))
    and (%(sources)s::text[] is null or source_name = any(%(sources)s))
    and (%(first_at)s::timestamptz is null or exit_at >= %(first_at)s)
    and (%(end_at)s::timestamptz is null or exit_at < %(end_at)s)
order by exit_at desc, trade_id desc
limit %(count)s
