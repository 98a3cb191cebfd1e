-- The newest analysis of each model, symbol and type.
select distinct on (model, symbol, analysis_type)
    model_name || ' ' || model_version as model,
    symbol,
    analysis_type,
    dominant_period_bars,
    dominant_period_bars_change,
    dominant_share,
    pattern_confidence,
    anomaly_score,
    is_anomaly,
    created_at
from training.spectrum_findings
where
    (
        %(models)s::text[] is null
        or model_name || ' ' || model_version = any(%(models)s)
    )
    and (%(symbols)s::text[] is null or symbol = any(%(symbols)s))
order by model, symbol, analysis_type, created_at desc
