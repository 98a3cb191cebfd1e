select distinct source_name as name
from performance.source_performance
where
    window_name = 'all'
    and source_name <> 'all'
