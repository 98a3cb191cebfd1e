select
    model_name || ' ' || model_version as model,
    confidence_bin,
    n,
    hits,
    mean_predicted,
    observed_rate,
    observed_rate_lower,
    observed_rate_upper
from performance.model_calibration
where
    n > 0
    and (
        %(sources)s::text[] is null
        or model_name || ' ' || model_version = any(%(sources)s)
    )
order by model, confidence_bin
