-- The models that have outcomes, in the order of their registration.
select
    model_id,
    model_name,
    model_name || ' ' || model_version as model,
    n as resolved
from performance.model_skill
where window_name = 'all'
order by model_id
