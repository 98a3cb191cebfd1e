-- Sequences: how far they are, and how far they can go. Asking takes ROW EXCLUSIVE until the statement ends: a sequence
-- is passed over while a session holds or awaits a lock against it.
-- Locks against it: ShareLock, ShareRowExclusiveLock, ExclusiveLock, AccessExclusiveLock.
-- The narrowest integer column that a sequence numbers: by its default, or as its identity.
with numbered as (
    select distinct on (drawn.sequence_id)
        drawn.sequence_id,
        format('%I.%I', n.nspname, c.relname) as column_table,
        a.attname::text as column_name,
        a.atttypid as type_id,
        case a.atttypid
            when 'smallint'::regtype then 32767
            when 'integer'::regtype then 2147483647
            else 9223372036854775807
        end as max_value
    from (
        select d.refobjid as sequence_id, k.adrelid as table_id, k.adnum as number
        from pg_depend as d
        inner join pg_attrdef as k on d.classid = 'pg_attrdef'::regclass and d.objid = k.oid
        where d.refclassid = 'pg_class'::regclass
        union all
        select objid, refobjid, refobjsubid
        from pg_depend
        where
            classid = 'pg_class'::regclass
            and refclassid = 'pg_class'::regclass
            and deptype = 'i'
            and refobjsubid > 0
    ) as drawn
    inner join pg_sequence as s on drawn.sequence_id = s.seqrelid
    inner join pg_attribute as a on drawn.table_id = a.attrelid and drawn.number = a.attnum
    inner join pg_class as c on a.attrelid = c.oid
    inner join pg_namespace as n on c.relnamespace = n.oid
    where a.atttypid in ('smallint'::regtype, 'integer'::regtype, 'bigint'::regtype)
    order by drawn.sequence_id, max_value, column_table, column_name
),

sequences as (
    select
        s.*,
        numbered.column_table,
        numbered.column_name,
        numbered.type_id,
        numbered.max_value,
        n.nspname::text as schema_name,
        c.relname::text as sequence_name,
        case
            when l.pid is not null then 'server process ' || l.pid || ' has locked it'
            when not has_sequence_privilege(c.oid, 'select, usage')
                then 'the login lacks the privilege select'
        end as not_seen
    from pg_sequence as s
    inner join pg_class as c on s.seqrelid = c.oid
    inner join pg_namespace as n on c.relnamespace = n.oid
    left join locked as l on c.oid = l.relation
    left join numbered on s.seqrelid = numbered.sequence_id
    where c.relpersistence <> 't'
)

select
    format('%I.%I', schema_name, sequence_name) as relation,
    not_seen,
    seqrelid::bigint as sequence_id,
    schema_name,
    sequence_name,
    -- Of what ends first, the column or the sequence.
    format_type(case when max_value < seqmax then type_id else seqtypid end, null) as data_type,
    -- NULL: no number was drawn yet.
    case when not_seen is null then pg_sequence_last_value(seqrelid) end as last_value,
    seqincrement as increment,
    seqmin as min_value,
    least(seqmax, max_value) as max_value,
    seqcycle as is_cyclic,
    column_table,
    column_name
from sequences
