-- The newest trades. The end is open unless days were chosen: what is new is in it.
select
    trade_id,
    opening_order_id,
    closing_order_id,
    signal_id,
    trade_plan_id,
    source_type || ': ' || source_name as source,
    source_name,
    account,
    currency,
    symbol,
    direction,
    entry_tag,
    exit_reason,
    leverage,
    matched_within,
    quantity,
    entry_price,
    exit_price,
    planned_entry_price,
    stop_price,
    target_price,
    initial_risk,
    fees,
    net_profit,
    result,
    r_multiple,
    mae,
    mfe,
    entry_at,
    exit_at,
    extract(epoch from exit_at - entry_at)::double precision as held_seconds
from performance.trades
where
    currency = %(currency)s
    and %(account)s in (account, 'all')
    and (%(symbols)s::text[] is null or symbol = any(%(symbols)s))
    and (%(sources)s::text[] is null or source_name = any(%(sources)s))
    and (%(since)s::timestamptz is null or exit_at >= %(since)s)
    and (%(until)s::timestamptz is null or exit_at < %(until)s)
order by exit_at desc, trade_id desc
limit %(count)s
