-- What the findings could not look at, and the mend: parts as they were last tried or that no sample has, and figures
-- that are not known yet.
with needed as (
    select
        sides.side,
        names.part
    from unnest(array[
        'servers', 'tables', 'indexes', 'foreign_keys', 'sizes', 'definitions', 'sequences',
        'statements', 'roles', 'slots', 'standbys', 'subscriptions', 'xmin_holders', 'lock_waits'
    ]) as names (part)
    cross join (values ('primary'), ('replica')) as sides (side)
)

select
    parts.side,
    concat_ws(' of ', parts.part, nullif(parts.relation, '')) as what,
    parts.why_not as why,
    case
        when parts.why_not like '%pg_read_all_stats%'
            then format('grant pg_read_all_stats to %I;', servers.login)
        when parts.why_not like '%pg_stat_statements%'
            then 'add pg_stat_statements to shared_preload_libraries, restart, and as a superuser: '
                || 'create extension pg_stat_statements;'
        when parts.part = 'sequences'
            then 'let ' || quote_ident(servers.login) || ' select from it, or observe as its owner'
        else 'signal-marts observe'
    end as mend
from needed
inner join signal_marts.last_parts as lasts
    on needed.side = lasts.side and needed.part = lasts.part
inner join signal_marts.sample_parts as parts
    on lasts.sample_id = parts.sample_id and lasts.side = parts.side and lasts.part = parts.part
inner join signal_marts.observed_servers as servers
    on parts.sample_id = servers.sample_id and parts.side = servers.side
where not parts.is_seen
union all
select
    needed.side,
    needed.part,
    'no sample that is kept has it',
    'signal-marts observe'
from needed
where not exists (
    select from signal_marts.last_parts as lasts
    where needed.side = lasts.side and needed.part = lasts.part
)
union all
select
    side,
    'use of ' || count(*) || case when count(*) = 1 then ' index' else ' indexes' end,
    unknown_because,
    'observe on, and ask again'
from operations.index_usage
where side = 'primary' and unknown_because is not null
group by side, unknown_because
union all
select
    forecast.side,
    'when the storage is full',
    case when forecast.limit_bytes is null then 'no limit is set' else 'too few days have a size' end,
    case
        when forecast.limit_bytes is null then 'set the variable storage_limits'
        else 'observe on, and ask again'
    end
from operations.storage_forecast as forecast
where
    forecast.kind = 'database'
    and (forecast.limit_bytes is null or forecast.bytes_per_day is null)
union all
select
    'primary',
    'whether builds slow down trading',
    'too few stretches between samples, with builds at work or without',
    'signal-marts observe --every 10, for a day with builds'
where not exists (
    select from operations.trading_impact
    where measure = 'all_statements' and is_slower is not null
)
order by 1, 2, 3
