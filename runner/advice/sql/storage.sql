-- Sides whose database may be at its limit within 30 days, or is.
select
    'storage_limit' as kind,
    forecast.side,
    cast(null as text) as schema_name,
    cast(null as text) as table_name,
    cast(null as text) as object_name,
    jsonb_build_object(
        'database_bytes', forecast.bytes,
        'limit_bytes', forecast.limit_bytes,
        'bytes_per_day', forecast.bytes_per_day,
        'days_until_limit', forecast.days_until_limit,
        'days_until_limit_at_least', forecast.days_until_limit_lower,
        'days_with_a_size', forecast.days,
        'table_that_grows_most', (
            select tables.schema_name || '.' || tables.table_name
            from operations.storage_forecast as tables
            where tables.side = forecast.side and tables.kind = 'table' and tables.bytes_per_day > 0
            order by tables.bytes_per_day desc
            limit 1
        )
    ) as evidence,
    forecast.first_at as counted_since_at,
    forecast.last_at as observed_at,
    forecast.bytes::double precision / forecast.limit_bytes as limit_share,
    cast(null as double precision) as milliseconds_per_day,
    cast(null as text) as statement,
    cast(null as text) as undo
from operations.storage_forecast as forecast
where
    forecast.kind = 'database'
    and (
        coalesce(forecast.days_until_limit_lower, forecast.days_until_limit) <= 30
        or forecast.bytes >= forecast.limit_bytes
    )
