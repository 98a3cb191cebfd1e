select
    skill.model_id,
    skill.model_name || ' ' || skill.model_version as model,
    skill.window_name,
    skill.window_name = coalesce(%(window)s, 'all') as is_chosen,
    skill.window_first_date,
    skill.window_last_date,
    skill.n,
    skill.brier_score,
    skill.expected_calibration_error,
    skill.rank_ic,
    skill.ic_ir,
    skill.rank_ic_over,
    skill.rank_ic_observations,
    skill.signal_half_life_bars,
    skill.turnover
from performance.model_skill as skill
where
    %(sources)s::text[] is null
    or skill.model_name || ' ' || skill.model_version = any(%(sources)s)
order by model, skill.window_first_date
