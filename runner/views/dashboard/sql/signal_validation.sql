select *
from ensemble.signal_validation
where signal_id = %(signal_id)s
