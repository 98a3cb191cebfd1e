-- Slots that keep a GB of the log, or more than they may keep in addition.
select
    'slot_keeps_log' as kind,
    slots.side,
    cast(null as text) as schema_name,
    cast(null as text) as table_name,
    slots.slot_name as object_name,
    jsonb_build_object(
        'retained_bytes', slots.retained_bytes,
        'bytes_until_lost', slots.safe_bytes,
        'wal_status', slots.wal_status,
        'is_active', slots.is_active,
        'is_ours', subscriptions.slot_name is not null
    ) as evidence,
    samples.taken_at as counted_since_at,
    samples.taken_at as observed_at,
    case
        when slots.wal_status in ('unreserved', 'lost') then 1
        else
            slots.retained_bytes::double precision
            / nullif(slots.retained_bytes + slots.safe_bytes, 0)
    end as limit_share,
    cast(null as double precision) as milliseconds_per_day,
    case
        when
            not slots.is_active
            and subscriptions.slot_name is null
            and not starts_with(slots.slot_name, 'signal_marts_')
            and coalesce(parts.is_seen, false)
            then format('select pg_drop_replication_slot(%L);', slots.slot_name)
    end as statement,
    cast(null as text) as undo
from signal_marts.observed_slots as slots
inner join signal_marts.last_parts as samples
    on
        slots.sample_id = samples.sample_id
        and slots.side = samples.side
        and samples.part = 'slots'
left join signal_marts.last_parts as lasts
    on lasts.side = 'replica' and lasts.part = 'subscriptions'
left join signal_marts.sample_parts as parts
    on
        lasts.sample_id = parts.sample_id
        and lasts.side = parts.side
        and lasts.part = parts.part
        and parts.relation = ''
left join signal_marts.observed_subscriptions as subscriptions
    on
        lasts.sample_id = subscriptions.sample_id
        and lasts.side = subscriptions.side
        and slots.side = 'primary'
        and slots.slot_name = subscriptions.slot_name
where
    slots.retained_bytes >= 1073741824
    or slots.retained_bytes > slots.safe_bytes
    or slots.wal_status in ('unreserved', 'lost')
