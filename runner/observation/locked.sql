locked as (
    select l.relation, min(l.pid) as pid
    from pg_locks as l
    where
        l.locktype = 'relation'
        and l.mode in ({modes})
        and l.database = (select oid from pg_database where datname = current_database())
    group by l.relation
),

