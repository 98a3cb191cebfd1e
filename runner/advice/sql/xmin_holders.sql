-- What keeps vacuum from removing dead rows: a million transactions old, or a transaction that is open for an hour.
select
    'xmin_held' as kind,
    holders.side,
    cast(null as text) as schema_name,
    cast(null as text) as table_name,
    holders.kind || ' ' || holders.name as object_name,
    jsonb_build_object(
        'transactions_held', holders.xmin_age,
        'role', holders.role_name,
        'application', holders.application_name,
        'since_at', holders.since_at
    ) as evidence,
    samples.taken_at as counted_since_at,
    samples.taken_at as observed_at,
    cast(null as double precision) as limit_share,
    cast(null as double precision) as milliseconds_per_day,
    case holders.kind
        -- The sample may be old, and the number another session's by now.
        when 'session'
            then
                format(
                    'select pg_terminate_backend(pid) from pg_stat_activity where pid = %s and xact_start <= %L;',
                    holders.name, samples.taken_at
                )
        when 'prepared' then format('rollback prepared %L;', holders.name)
    end as statement,
    cast(null as text) as undo
from signal_marts.observed_xmin_holders as holders
inner join signal_marts.last_parts as samples
    on
        holders.sample_id = samples.sample_id
        and holders.side = samples.side
        and samples.part = 'xmin_holders'
where
    holders.xmin_age >= 1000000
    or holders.kind in ('session', 'prepared')
    and holders.since_at <= samples.taken_at - interval '1 hour'
