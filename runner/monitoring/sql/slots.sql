-- Slots of the server, but those of first copies, which last only as long as a copy.
select
    slot_name::text as slot,
    active::integer as slot_active,
    (coalesce(wal_status, '') = 'lost')::integer as slot_lost,
    case
        when not pg_is_in_recovery() then (pg_current_wal_lsn() - restart_lsn)::bigint
    end as slot_retained_bytes,
    case
        when not pg_is_in_recovery() then (pg_current_wal_lsn() - confirmed_flush_lsn)::bigint
    end as slot_unconfirmed_bytes,
    safe_wal_size as slot_safe_bytes
from pg_replication_slots
where not temporary and slot_name !~ '^pg_[0-9]+_sync_[0-9]+_[0-9]+$'
