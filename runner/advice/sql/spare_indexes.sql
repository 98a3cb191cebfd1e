-- Indexes that cost writes and serve no query that another one would not: of the primary alone, since builds make those
-- of the replica. The verdicts know what an index is needed for, and how young the statistics are.
select
    verdict || '_index' as kind,
    side,
    schema_name,
    table_name,
    object_name,
    jsonb_build_object(
        'index_bytes', bytes,
        'index_scans', scans,
        'writes_per_day', writes_per_day,
        'table_rows', table_rows
    ) || case verdict
        when 'duplicate' then jsonb_build_object('duplicate_of', duplicate_of)
        when 'overlapping' then jsonb_build_object('covered_by', covered_by)
        when 'unused' then jsonb_build_object('last_scan_at', last_scan_at)
        else '{}'
    end as evidence,
    counted_since_at,
    observed_at,
    cast(null as double precision) as limit_share,
    -- An entry of an index: 0.01 ms.
    0.01 * writes_per_day as milliseconds_per_day,
    format('drop index concurrently if exists %I.%I;', schema_name, object_name) as statement,
    case
        when verdict = 'invalid'
            then '-- The index was invalid: no query used it, so there is nothing to bring back.'
                || chr(10) || 'select 1;'
        else
            regexp_replace(
                definition, '^CREATE (UNIQUE )?INDEX ', 'CREATE \1INDEX CONCURRENTLY '
            ) || ';'
    end as undo
from operations.index_usage as usage
where
    side = 'primary'
    and (
        verdict in ('duplicate', 'overlapping')
        -- One that serves a foreign key waits for a DELETE on the table that this points at.
        or verdict = 'unused' and not exists (
            select
            from signal_marts.samples
            inner join signal_marts.observed_indexes as indexes on samples.id = indexes.sample_id
            inner join signal_marts.observed_foreign_keys as keys
                on
                    indexes.sample_id = keys.sample_id
                    and indexes.side = keys.side
                    and indexes.table_id = keys.table_id
                    and keys.columns @> indexes.key_columns[1:cardinality(keys.columns)]
                    and keys.columns <@ indexes.key_columns[1:cardinality(keys.columns)]
            where
                usage.observed_at = samples.taken_at
                and usage.side = indexes.side
                and usage.schema_name = indexes.schema_name
                and usage.object_name = indexes.index_name
        )
        -- Nor one that is to serve the scans of another one that is dropped.
        and not exists (
            select
            from operations.index_usage as others
            where
                usage.side = others.side
                and usage.schema_name = others.schema_name
                and usage.table_name = others.table_name
                and usage.object_name in (others.duplicate_of, others.covered_by)
        )
        -- No statement drops the index of a constraint, or a part of another index.
        or verdict = 'invalid' and constraint_name is null and (is_unique or not is_needed)
    )
