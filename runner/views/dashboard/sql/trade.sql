-- A trade of the account that is chosen, and of no other.
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
    trade_id = %(trade_id)s
    and currency = %(currency)s
    and %(account)s in (account, 'all')
