select *
from performance.signal_outcomes
where signal_id = %(signal_id)s
