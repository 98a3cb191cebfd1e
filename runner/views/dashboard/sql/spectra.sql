-- The newest analysis of each model, symbol and type.
with newest as (
    -- Sorting all analyses, to take the first of each, takes five times as long.
    select
        model_id,
        symbol,
        analysis_type,
        max(created_at) as created_at
    from training.spectrum_findings
    where
        (
            %(sources)s::text[] is null
            or model_name || ' ' || model_version = any(%(sources)s)
        )
        and (%(symbols)s::text[] is null or symbol = any(%(symbols)s))
    group by model_id, symbol, analysis_type
)

select distinct on (model, symbol, analysis_type)
    findings.model_name || ' ' || findings.model_version as model,
    symbol,
    analysis_type,
    findings.dominant_period_bars,
    findings.dominant_period_bars_change,
    findings.dominant_share,
    findings.pattern_confidence,
    findings.anomaly_score,
    findings.is_anomaly,
    created_at
from newest
inner join training.spectrum_findings as findings
    using (model_id, symbol, analysis_type, created_at)
order by model, symbol, analysis_type, findings.analysis_id desc
