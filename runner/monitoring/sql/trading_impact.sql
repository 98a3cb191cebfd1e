-- All statements of trading together, while builds run against while none does.
select
    build_mean / nullif(quiet_mean, 0) as trading_latency_ratio,
    1 + difference_lower / nullif(quiet_mean, 0) as trading_latency_lower_ratio
from operations.trading_impact
where measure = 'all_statements'
