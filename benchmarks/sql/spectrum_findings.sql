select
    a.id as analysis_id, a.model_id, a.symbol,
    jsonb_array_length(a.dominant_frequencies) as frequency_count,
    a.period as dominant_period_bars,
    (a.dominant_frequencies #>> '{0,frequency_per_bar}')::double precision
        as dominant_frequency_per_bar,
    (a.dominant_frequencies #>> '{0,amplitude}')::double precision as dominant_amplitude,
    (a.dominant_frequencies #>> '{0,share}')::double precision as dominant_share,
    lag(a.id) over series as previous_analysis_id,
    a.period - lag(a.period) over series as dominant_period_bars_change,
    a.pattern_confidence, a.anomaly_score, abs(a.anomaly_score) >= 3 as is_anomaly
from (
    select *, (dominant_frequencies #>> '{0,period_bars}')::double precision as period
    from spectrum_analysis
) as a
left join ai_models as m on a.model_id = m.id
window series as (partition by a.model_id, a.symbol, a.analysis_type order by a.created_at, a.id)
