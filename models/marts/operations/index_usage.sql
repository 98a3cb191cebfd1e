-- Grain: an index of either side, or a foreign key that no index serves.
-- Times are UTC.

with last_seen as (

    {{ last_seen('indexes') }}

),

indexes as (

    {{ indexes_seen('last_seen') }}

),

-- A standby's queries use an index, and the primary does not count it.
-- Backups and receivers of the log replay nothing; of a reader whose state is
-- hidden it is not known.
sides_with_standbys as (

    select distinct side
    from {{ source('observed', 'standbys') }}
    where
        kind = 'physical'
        and (state is null or (state <> 'backup' and replay_bytes is not null))

),

-- Builds of an index hold it, and so do vacuums.
held_tables as (

    select distinct
        side,
        sample_id,
        relation_name
    from {{ source('observed', 'locks') }}
    where mode = 'ShareUpdateExclusiveLock' and is_granted

),

substitutes as (

    {{ index_substitutes('indexes') }}

),

tables as (

    select
        side,
        table_id,
        (array_agg(live_rows order by sample_id desc))[1] as live_rows,
        86400 * sum(
            rows_inserted_growth + rows_updated_growth - rows_hot_updated_growth
        ) / nullif(sum(growth_seconds), 0) as writes_per_day
    from (
        {{ observed_growth(
            'tables',
            ['table_id'],
            ['rows_inserted', 'rows_updated', 'rows_hot_updated'],
            'servers.statistics_since',
            ['live_rows']
        ) }}
    ) as observed
    group by side, table_id

),

scans as (

    select
        side,
        index_id,
        86400 * sum(scans_growth) / nullif(sum(growth_seconds), 0) as scans_per_day
    from (
        {{ observed_growth(
            'indexes', ['index_id'], ['scans'], 'servers.statistics_since'
        ) }}
    ) as observed
    group by side, index_id

),

judged as (

    select
        indexes.*,
        scans.scans_per_day,
        substitutes.index_name as substitute,
        substitutes.is_duplicate,
        sides_with_standbys.side is not null as has_standbys,
        held_tables.side is not null as is_held,
        case
            when indexes.is_needed then false
            when sides_with_standbys.side is not null then null
            -- A scan that is remembered says enough, however young the counters.
            when indexes.last_scan_at is not null
                then
                    indexes.last_scan_at
                    < indexes.taken_at
                    - {{ var('index_unused_days') }} * interval '1 day'
            when indexes.scans > 0 then false
            when
                indexes.counted_since_at
                <= indexes.taken_at
                - {{ var('index_unused_days') }} * interval '1 day'
                then true
        end as is_unused
    from indexes
    left join scans
        on
            indexes.side = scans.side
            and indexes.index_id = scans.index_id
    left join substitutes
        on
            indexes.side = substitutes.side
            and indexes.index_id = substitutes.index_id
    left join sides_with_standbys
        on indexes.side = sides_with_standbys.side
    left join held_tables
        on
            indexes.side = held_tables.side
            and indexes.sample_id = held_tables.sample_id
            and format('%I.%I', indexes.schema_name, indexes.table_name)
            = held_tables.relation_name

),

of_indexes as (

    select
        judged.side,
        'index' as kind,
        judged.schema_name,
        judged.table_name,
        judged.index_name as object_name,
        judged.definition,
        judged.access_method,
        array_to_string(judged.key_columns, ', ') as key_columns,
        array_to_string(judged.included_columns, ', ') as included_columns,
        judged.predicate,
        judged.is_unique,
        judged.constraint_name,
        judged.is_needed,
        judged.is_valid and judged.is_ready as is_valid,
        cast(null as {{ dbt.type_string() }}) as referenced_table,
        judged.bytes,
        judged.table_id,
        judged.scans,
        judged.scans_per_day,
        judged.last_scan_at,
        case when judged.is_duplicate then judged.substitute end as duplicate_of,
        case when not judged.is_duplicate then judged.substitute end as covered_by,
        judged.is_unused,
        case
            when not (judged.is_valid and judged.is_ready)
                then case when not judged.is_held then 'invalid' end
            when judged.is_duplicate then 'duplicate'
            when judged.substitute is not null then 'overlapping'
            when judged.is_unused then 'unused'
            when judged.is_needed then 'needed'
            when judged.is_unused is not null and not judged.is_obscure then 'used'
        end as verdict,
        case
            when not (judged.is_valid and judged.is_ready)
                then case when judged.is_held then 'it may be being built' end
            when
                judged.substitute is not null
                or judged.is_unused
                or judged.is_needed
                then null
            when judged.is_unused is null and judged.has_standbys
                then 'a standby may use it, and does not tell'
            when judged.is_unused is null then 'the statistics are too young'
            when judged.is_obscure then 'its definition was not seen'
        end as unknown_because,
        judged.counted_since_at,
        judged.first_seen_at,
        judged.taken_at as observed_at
    from judged
    -- Queries use its parts.
    where not judged.is_partitioned

),

keys_without_index as (

    {{ foreign_keys_without_index('indexes', 'last_seen') }}

),

of_foreign_keys as (

    select
        foreign_keys.side,
        'foreign_key' as kind,
        foreign_keys.schema_name,
        foreign_keys.table_name,
        foreign_keys.constraint_name as object_name,
        cast(null as {{ dbt.type_string() }}) as definition,
        cast(null as {{ dbt.type_string() }}) as access_method,
        array_to_string(foreign_keys.columns, ', ') as key_columns,
        cast(null as {{ dbt.type_string() }}) as included_columns,
        cast(null as {{ dbt.type_string() }}) as predicate,
        false as is_unique,
        foreign_keys.constraint_name,
        false as is_needed,
        foreign_keys.is_validated as is_valid,
        foreign_keys.referenced_schema
        || '.'
        || foreign_keys.referenced_table as referenced_table,
        cast(null as bigint) as bytes,
        foreign_keys.table_id,
        cast(null as bigint) as scans,
        cast(null as numeric) as scans_per_day,
        cast(null as timestamp with time zone) as last_scan_at,
        cast(null as {{ dbt.type_string() }}) as duplicate_of,
        cast(null as {{ dbt.type_string() }}) as covered_by,
        cast(null as boolean) as is_unused,
        'no_index' as verdict,
        cast(null as {{ dbt.type_string() }}) as unknown_because,
        cast(null as timestamp with time zone) as counted_since_at,
        cast(null as timestamp with time zone) as first_seen_at,
        foreign_keys.taken_at as observed_at
    from keys_without_index as foreign_keys

),

index_usage as (

    select
        found.side,
        found.kind,
        found.schema_name,
        found.table_name,
        found.object_name,
        found.definition,
        found.access_method,
        found.key_columns,
        found.included_columns,
        found.predicate,
        found.is_unique,
        found.constraint_name,
        found.is_needed,
        found.is_valid,
        found.referenced_table,
        found.bytes,
        tables.live_rows as table_rows,
        cast(tables.writes_per_day as {{ type_double() }}) as writes_per_day,
        found.scans,
        cast(found.scans_per_day as {{ type_double() }}) as scans_per_day,
        found.last_scan_at,
        found.duplicate_of,
        found.covered_by,
        found.is_unused,
        found.verdict,
        found.unknown_because,
        found.counted_since_at,
        found.first_seen_at,
        found.observed_at
    from (
        select * from of_indexes
        union all
        select * from of_foreign_keys
    ) as found
    left join tables
        on
            found.side = tables.side
            and found.table_id = tables.table_id

)

select * from index_usage
