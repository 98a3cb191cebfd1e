-- Databases of which half the transaction ids are used: vacuum has not kept up for long.
select
    'wraparound' as kind,
    servers.side,
    oldest.schema_name,
    oldest.table_name,
    cast(null as text) as object_name,
    jsonb_build_object(
        'transactions_since_frozen', servers.transaction_age,
        'multixacts_since_frozen', servers.multixact_age,
        'autovacuum_freeze_max_age', servers.freeze_max_age,
        'transactions_of_this_table', oldest.transaction_age
    ) as evidence,
    samples.taken_at as counted_since_at,
    samples.taken_at as observed_at,
    greatest(servers.transaction_age, servers.multixact_age) / 2147483648::double precision
        as limit_share,
    cast(null as double precision) as milliseconds_per_day,
    case
        when oldest.table_id is not null
            then format('vacuum (freeze) %I.%I;', oldest.schema_name, oldest.table_name)
    end as statement,
    cast(null as text) as undo
from signal_marts.observed_servers as servers
inner join signal_marts.last_parts as samples
    on
        servers.sample_id = samples.sample_id
        and servers.side = samples.side
        and samples.part = 'servers'
left join lateral (
    select tables.*
    from signal_marts.observed_tables as tables
    inner join signal_marts.last_parts as lasts
        on
            tables.sample_id = lasts.sample_id
            and tables.side = lasts.side
            and lasts.part = 'tables'
    where tables.side = servers.side
    order by greatest(tables.transaction_age, tables.multixact_age) desc nulls last
    limit 1
) as oldest on true
where greatest(servers.transaction_age, servers.multixact_age) >= 1073741824
