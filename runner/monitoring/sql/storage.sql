-- Each side's database against its limit.
select
    side,
    limit_bytes as storage_limit_bytes,
    86400 * coalesce(days_until_limit_lower, days_until_limit) as storage_until_limit_seconds
from operations.storage_forecast
where kind = 'database'
