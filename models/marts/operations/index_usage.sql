-- Grain: an index of either side, or a foreign key that no index serves.
-- Times are UTC.

with last_seen as (

    {{ last_seen('indexes') }}

),

last_keys_seen as (

    {{ last_seen('foreign_keys') }}

),

samples as (

    select * from {{ source('observed', 'samples') }}

),

servers as (

    select * from {{ source('observed', 'servers') }}

),

sizes as (

    select * from {{ source('observed', 'sizes') }}

),

definitions as (

    select * from {{ source('observed', 'index_definitions') }}

),

indexes as (

    select
        observed.*,
        samples.taken_at,
        sizes.bytes,
        definitions.definition,
        definitions.predicate,
        definitions.expressions,
        definitions.first_seen_at,
        -- NULL where either is not known.
        case
            when servers.statistics_since > definitions.first_seen_at
                then servers.statistics_since
            when servers.statistics_since is not null
                then definitions.first_seen_at
        end as counted_since_at,
        -- What a text must say that is not seen.
        (observed.has_predicate and definitions.predicate is null)
        or (observed.has_expressions and definitions.expressions is null)
            as is_obscure,
        observed.is_unique
        or observed.constraint_name is not null
        or observed.is_referenced
        or observed.is_replica_identity
        or observed.is_part_of_index as is_needed
    from {{ source('observed', 'indexes') }} as observed
    inner join last_seen
        on
            observed.side = last_seen.side
            and observed.sample_id = last_seen.sample_id
    inner join samples
        on observed.sample_id = samples.id
    inner join servers
        on
            observed.side = servers.side
            and observed.sample_id = servers.sample_id
    left join sizes
        on
            observed.side = sizes.side
            and observed.sample_id = sizes.sample_id
            and observed.index_id = sizes.relation_id
    left join definitions
        on
            observed.side = definitions.side
            and servers.system_identifier = definitions.system_identifier
            and servers.database_id = definitions.database_id
            and observed.index_id = definitions.index_id

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

-- The best index that does the same, or more.
substitutes as (

    select distinct on (weaker.side, weaker.index_id)
        weaker.side,
        weaker.index_id,
        stronger.index_name,
        weaker.key_parts = stronger.key_parts
        and weaker.included_columns = stronger.included_columns as is_duplicate
    from indexes as weaker
    inner join indexes as stronger
        on
            weaker.side = stronger.side
            and weaker.table_id = stronger.table_id
            and weaker.index_id <> stronger.index_id
            and weaker.access_method = stronger.access_method
            and coalesce(weaker.predicate, '') = coalesce(stronger.predicate, '')
            and coalesce(weaker.expressions, '')
            = coalesce(stronger.expressions, '')
    where
        not (weaker.is_obscure or stronger.is_obscure)
        and stronger.is_valid
        and stronger.is_ready
        -- A unique index is needed, unless another one is as unique.
        and weaker.constraint_name is null
        and not weaker.is_referenced
        and not weaker.is_replica_identity
        and not weaker.is_part_of_index
        and (
            (
                weaker.key_parts = stronger.key_parts
                and weaker.included_columns = stronger.included_columns
                and (
                    not weaker.is_unique
                    or (
                        stronger.is_unique
                        -- One NULL at most.
                        and stronger.is_nulls_not_distinct
                        >= weaker.is_nulls_not_distinct
                        -- Not only at the end of a transaction.
                        and stronger.is_immediate >= weaker.is_immediate
                    )
                )
                and (
                    stronger.constraint_name is not null,
                    stronger.is_needed,
                    stronger.is_unique,
                    -stronger.index_id
                ) > (
                    weaker.constraint_name is not null,
                    weaker.is_needed,
                    weaker.is_unique,
                    -weaker.index_id
                )
            )
            or (
                weaker.access_method = 'btree'
                and not weaker.is_unique
                and not weaker.has_expressions
                and (
                    cardinality(weaker.key_parts) < cardinality(stronger.key_parts)
                    or weaker.included_columns <> stronger.included_columns
                )
                and weaker.key_parts
                = stronger.key_parts[1:cardinality(weaker.key_parts)]
                and weaker.included_columns
                <@ (stronger.key_columns || stronger.included_columns)
            )
        )
    order by
        weaker.side asc,
        weaker.index_id asc,
        is_duplicate desc,
        stronger.is_needed desc,
        cardinality(stronger.key_parts) asc,
        stronger.index_id asc

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
        samples.taken_at as observed_at
    from {{ source('observed', 'foreign_keys') }} as foreign_keys
    inner join last_keys_seen
        on
            foreign_keys.side = last_keys_seen.side
            and foreign_keys.sample_id = last_keys_seen.sample_id
    -- Both were seen at once.
    inner join last_seen
        on
            foreign_keys.side = last_seen.side
            and foreign_keys.sample_id = last_seen.sample_id
    inner join samples
        on foreign_keys.sample_id = samples.id
    where not exists (
        select 1
        from indexes
        where
            foreign_keys.side = indexes.side
            and foreign_keys.table_id = indexes.table_id
            and indexes.is_valid
            and indexes.access_method in ('btree', 'hash')
            and foreign_keys.columns
            @> indexes.key_columns[1:cardinality(foreign_keys.columns)]
            and foreign_keys.columns
            <@ indexes.key_columns[1:cardinality(foreign_keys.columns)]
            -- A check asks for values that are not NULL.
            and (
                not indexes.has_predicate
                or indexes.predicate is null
                or indexes.predicate in (
                    select format('(%I IS NOT NULL)', columns.name)
                    from unnest(foreign_keys.columns) as columns (name)
                )
            )
    )

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
