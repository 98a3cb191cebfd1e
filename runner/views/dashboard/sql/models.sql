select distinct model_name || ' ' || model_version as name
from performance.model_skill
