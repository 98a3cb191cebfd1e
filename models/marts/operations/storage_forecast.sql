-- Grain: a table of either side, or a side's whole database. Times are UTC.

{% set storage_limits = var('storage_limits') %}

with servers as (

    select
        servers.*,
        samples.taken_at
    from {{ source('observed', 'servers') }} as servers
    inner join {{ source('observed', 'samples') }} as samples
        on servers.sample_id = samples.id

),

tables as (

    select * from {{ source('observed', 'tables') }}

),

sizes as (

    {{ observed_sizes() }}

),

measured as (

    select
        tables.side,
        'table' as kind,
        tables.schema_name,
        tables.table_name,
        servers.taken_at,
        sizes.table_bytes + sizes.index_bytes as bytes
    from tables
    inner join sizes
        on
            tables.sample_id = sizes.sample_id
            and tables.side = sizes.side
            and tables.table_id = sizes.table_id
    inner join servers
        on
            tables.sample_id = servers.sample_id
            and tables.side = servers.side
    union all
    select
        side,
        'database' as kind,
        '' as schema_name,
        '' as table_name,
        taken_at,
        database_bytes as bytes
    from servers

),

-- One size a day: samples of an hour know little more than one of them.
days as (

    select distinct on (side, kind, schema_name, table_name, size_date) *
    from (
        select
            *,
            {{ utc_date('taken_at') }} as size_date,
            {{ seconds_between(
                "timestamp with time zone '2020-01-01 00:00+00'", 'taken_at'
            ) }} / 86400 as day
        from measured
        where bytes is not null
    ) as dated
    order by
        side asc,
        kind asc,
        schema_name asc,
        table_name asc,
        size_date asc,
        taken_at desc

),

summed as (

    select
        side,
        kind,
        schema_name,
        table_name,
        count(*) as days,
        cast(nullif(greatest(count(*) - 2, 0), 0) as {{ type_double() }})
            as degrees_of_freedom,
        min(taken_at) as first_at,
        max(taken_at) as last_at,
        (array_agg(bytes order by taken_at desc))[1] as bytes,
        regr_slope(bytes, day) as slope,
        regr_sxx(bytes, day) as sxx,
        greatest(
            regr_syy(bytes, day)
            - regr_sxy(bytes, day) * regr_sxy(bytes, day)
            / nullif(regr_sxx(bytes, day), 0),
            0
        ) as rest
    from days
    group by side, kind, schema_name, table_name

),

fitted as (

    select
        *,
        ({{ t_of_95_percent('degrees_of_freedom') }})
        * sqrt(rest / degrees_of_freedom / nullif(sxx, 0)) as half_width
    from summed

),

last_samples as (

    select distinct on (side)
        side,
        taken_at,
        database_bytes,
        case side
            {% for side in storage_limits -%}
                when '{{ side }}'
                    then cast({{ storage_limits[side] | default(1) }} as bigint)
            {% endfor -%}
            when 'neither' then cast(null as bigint)
        end as limit_bytes
    from servers
    order by side asc, taken_at desc

),

forecast as (

    select
        fitted.side,
        fitted.kind,
        fitted.schema_name,
        fitted.table_name,
        fitted.bytes,
        fitted.days,
        fitted.first_at,
        fitted.last_at,
        last_samples.limit_bytes,
        case
            when last_samples.limit_bytes > last_samples.database_bytes
                then last_samples.limit_bytes - last_samples.database_bytes
            when last_samples.limit_bytes is not null then 0
        end as room_bytes,
        case when fitted.days >= {{ var('forecast_min_days') }} then fitted.slope end
            as slope,
        case
            when fitted.days >= {{ var('forecast_min_days') }} then fitted.half_width
        end as half_width
    from fitted
    inner join last_samples
        on fitted.side = last_samples.side
    -- A table that is gone needs no forecast.
    where fitted.last_at > last_samples.taken_at - interval '1 day'

),

storage_forecast as (

    select
        side,
        kind,
        schema_name,
        table_name,
        bytes,
        days,
        slope as bytes_per_day,
        slope - half_width as bytes_per_day_lower,
        slope + half_width as bytes_per_day_upper,
        limit_bytes,
        case when slope > 0 then room_bytes / slope end as days_until_limit,
        case when slope + half_width > 0 then room_bytes / (slope + half_width) end
            as days_until_limit_lower,
        case when slope - half_width > 0 then room_bytes / (slope - half_width) end
            as days_until_limit_upper,
        first_at,
        last_at
    from forecast

)

select * from storage_forecast
