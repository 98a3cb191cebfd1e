-- Statements in this database by pg_stat_statements, the 300 that took longest. Texts of SELECT and
-- DML only, without comments: others may hold a password.
-- Without pg_read_all_stats: statements of other roles are hidden.
select
    r.rolname::text as role_name,
    s.queryid as query_id,
    coalesce(s.toplevel, true) as is_top_level,
    s.calls,
    s.total_exec_time / 1000 as seconds,
    s.rows as row_count,
    s.shared_blks_hit as blocks_hit,
    s.shared_blks_read as blocks_read,
    s.shared_blks_dirtied as blocks_dirtied,
    s.shared_blks_written as blocks_written,
    s.temp_blks_written as temp_blocks_written,
    s.wal_bytes::bigint as wal_bytes,
    -- Since PostgreSQL 17 a statement says when it came, or came again after others had put it out.
    coalesce((to_jsonb(s) ->> 'stats_since')::timestamptz, info.stats_reset) as counted_since,
    (to_jsonb(s) ->> 'stats_since') is not null as is_own_since,
    -- A normalized text has no literal: one with a quote may be as its client sent it. The rest of a
    -- comment within a comment ends with */.
    case
        when
            t.text ~* '^\s*(select|insert|update|delete|merge|with|values)\M'
            and t.text !~ '''|\$\w*\$|\*/'
            then left(t.text, 1000)
    end as statement
from {statements} as s
cross join {info} as info
inner join pg_roles as r on s.userid = r.oid
cross join lateral (
    -- Two patterns: of alternatives, none is as short as can be.
    select regexp_replace(
        regexp_replace(s.query, '/\*.*?\*/', ' ', 'g'), '--[^\n]*', ' ', 'g'
    ) as text
) as t
where
    s.dbid = (select oid from pg_database where datname = current_database())
    and s.queryid is not null
order by s.total_exec_time desc
limit 300
