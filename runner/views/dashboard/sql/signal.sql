select
    confluence.*,
    confluence.model_name || ' ' || confluence.model_version as model
from ensemble.signal_confluence as confluence
where confluence.signal_id = %(signal_id)s
