-- Findings on signals, the worst and newest first; imports come in thousands, and last.
select
    signal_id,
    model_name || ' ' || model_version as model,
    symbol,
    finding_kind,
    severity,
    signal_at,
    evidence_at,
    lag_seconds,
    stated_price,
    lowest_price,
    highest_price,
    evidence,
    count(*) over () as count
from operations.signal_audit
where
    (%(symbols)s::text[] is null or symbol = any(%(symbols)s))
    and (
        %(sources)s::text[] is null
        or model_name || ' ' || model_version = any(%(sources)s)
    )
order by
    severity = 'high' desc,
    finding_kind = 'imported' asc,
    coalesce(evidence_at, signal_at) desc nulls last,
    signal_id desc,
    finding_kind asc,
    evidence_key asc
limit 200
