-- Sequences that have given three quarters of their numbers: at the last one, each INSERT fails.
select
    'sequence_limit' as kind,
    used.side,
    used.schema_name,
    used.sequence_name as table_name,
    cast(null as text) as object_name,
    jsonb_build_object(
        'last_value', used.last_value,
        'max_value', used.max_value,
        'data_type', used.data_type,
        'numbers_left', used.numbers_left,
        'column', coalesce(
            used.column_table || '.' || quote_ident(used.column_name), 'the column that it numbers'
        )
    ) as evidence,
    used.taken_at as counted_since_at,
    used.taken_at as observed_at,
    used.share as limit_share,
    cast(null as double precision) as milliseconds_per_day,
    -- A published column takes more: signal-marts alter. A change of type runs the table's own checks
    -- with the rights of whoever makes it.
    case
        when
            used.side = 'primary'
            and used.column_name is not null
            and not exists (
                select from pg_attribute
                where attrelid = to_regclass(used.column_table) and attname = '_xid'
            )
            then format(
                E'-- in the login of the table\'s owner, and no other:\n'
                'alter table %s alter column %I type bigint; alter sequence %I.%I as bigint;',
                used.column_table, used.column_name, used.schema_name, used.sequence_name
            )
    end as statement,
    cast(null as text) as undo
from (
    select
        sequences.*,
        samples.taken_at,
        floor(
            case
                when sequences.increment > 0 then sequences.max_value - sequences.last_value::numeric
                else sequences.last_value::numeric - sequences.min_value
            end / abs(sequences.increment)
        ) as numbers_left,
        cast(
            case
                when sequences.increment > 0 then sequences.last_value::numeric - sequences.min_value
                else sequences.max_value - sequences.last_value::numeric
            end / nullif(sequences.max_value::numeric - sequences.min_value, 0) as double precision
        ) as share
    from signal_marts.observed_sequences as sequences
    inner join signal_marts.last_parts as samples
        on
            sequences.sample_id = samples.sample_id
            and sequences.side = samples.side
            and samples.part = 'sequences'
    where not sequences.is_cyclic and sequences.last_value is not null
) as used
where used.share >= 0.75
