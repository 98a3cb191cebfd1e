-- The newest signals, symbol by symbol through the index, without their outcomes, which are in
-- another mart.
select newest.*
from unnest(%(listed_symbols)s::text[]) as symbols (symbol)
cross join lateral (
    select
        signal_id,
        created_at,
        symbol,
        model_name || ' ' || model_version as model,
        signal_type,
        confidence,
        relation,
        pattern_type,
        order_count,
        last_order_status,
        status
    from ensemble.signal_confluence as confluence
    where
        confluence.symbol = symbols.symbol
        and (%(since)s::timestamptz is null or created_at >= %(since)s)
        and (%(until)s::timestamptz is null or created_at < %(until)s)
    order by created_at desc
    limit %(count)s
) as newest
order by newest.created_at desc, newest.signal_id desc
limit %(count)s
