-- The days of the data, up to the last closed one.
select
    min(window_first_date) as first,
    max(window_last_date) as last
from performance.source_performance
where window_name = 'all'
