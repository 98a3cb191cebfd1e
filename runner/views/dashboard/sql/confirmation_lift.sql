-- Whether a model wins more often with a pattern, the least likely luck first.
select
    model_name || ' ' || model_version as model,
    pattern_type,
    relation,
    cases_given,
    win_rate_given,
    cases_not,
    win_rate_not,
    difference,
    difference_lower,
    difference_upper,
    q_value
from ensemble.confirmation_lift
where
    %(sources)s::text[] is null
    or model_name || ' ' || model_version = any(%(sources)s)
order by q_value asc nulls last, p_value asc nulls last, model, pattern_type, relation
limit 200
