-- The open positions with the largest unrealized profits and losses; number and total are of all.
select
    symbol,
    source_type || ': ' || source_name as source,
    account,
    direction,
    entry_tag,
    leverage,
    open_quantity,
    entry_price,
    opened_at,
    last_close,
    last_close_at,
    fees,
    unrealized_profit,
    count(*) over () as positions,
    count(unrealized_profit) over () as valued,
    sum(unrealized_profit) over () as total
from performance.open_positions
where
    currency = %(currency)s
    and %(account)s in (account, 'all')
    and (%(symbols)s::text[] is null or symbol = any(%(symbols)s))
    and (%(sources)s::text[] is null or source_name = any(%(sources)s))
order by abs(unrealized_profit) desc nulls last, order_id
limit 200
