-- Locks on users' tables, by table, mode and whether they are granted.
select
    format('%I.%I', n.nspname, c.relname) as relation_name,
    l.mode,
    l.granted as is_granted,
    count(distinct l.pid) as sessions
from pg_locks as l
inner join pg_class as c on l.relation = c.oid
inner join pg_namespace as n on c.relnamespace = n.oid
where
    l.locktype = 'relation'
    and l.database = (select oid from pg_database where datname = current_database())
    and l.pid <> pg_backend_pid()
    and c.relkind in ('r', 'p', 'm')
    and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
group by 1, 2, 3
