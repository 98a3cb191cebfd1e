-- Findings on the signals of each version, the worst first.
select
    model_name || ' ' || model_version as model,
    signals,
    signals_not_known,
    signals_imported,
    findings,
    high_findings,
    time_findings,
    price_findings,
    outcome_findings,
    edit_findings,
    longest_delay_seconds
from operations.model_audit
where
    %(sources)s::text[] is null
    or model_name || ' ' || model_version = any(%(sources)s)
order by high_findings desc, findings desc, model
