-- The newest signals for a filter on columns without an index: one pass over all chosen symbols.
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
from ensemble.signal_confluence
where
    (%(symbols)s::text[] is null or symbol = any(%(symbols)s))
    and (
        %(sources)s::text[] is null
        or model_name || ' ' || model_version = any(%(sources)s)
    )
    and (%(since)s::timestamptz is null or created_at >= %(since)s)
    and (%(until)s::timestamptz is null or created_at < %(until)s)
    and (%(relations)s::text[] is null or relation = any(%(relations)s))
    and (%(signal_types)s::text[] is null or signal_type = any(%(signal_types)s))
order by created_at desc, signal_id desc
limit %(count)s
