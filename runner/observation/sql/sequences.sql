-- Sequences: how far they are, and how far they can go. Asking takes ROW EXCLUSIVE until the statement ends: a sequence
-- is passed over while a session holds or awaits a lock against it.
with locked as (
    select l.relation, min(l.pid) as pid
    from pg_locks as l
    where
        l.locktype = 'relation'
        and l.mode in (
            'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'
        )
        and l.database = (select oid from pg_database where datname = current_database())
    group by l.relation
),

sequences as (
    select
        s.*,
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
    where c.relpersistence <> 't'
)

select
    format('%I.%I', schema_name, sequence_name) as relation,
    not_seen,
    seqrelid::bigint as sequence_id,
    schema_name,
    sequence_name,
    format_type(seqtypid, null) as data_type,
    -- NULL: no number was drawn yet.
    case when not_seen is null then pg_sequence_last_value(seqrelid) end as last_value,
    seqincrement as increment,
    seqmin as min_value,
    seqmax as max_value,
    seqcycle as is_cyclic
from sequences
