select distinct model_id, model_name || ' ' || model_version as model
from performance.model_skill
order by model
