-- Replication slots of the server: who reads them, and what they keep from being removed.
select
    slot_name::text as slot_name,
    slot_type,
    database::text as database_name,
    active as is_active,
    age(xmin) as xmin_age,
    age(catalog_xmin) as catalog_xmin_age,
    case
        when not pg_is_in_recovery() then (pg_current_wal_lsn() - restart_lsn)::bigint
    end as retained_bytes,
    case
        when not pg_is_in_recovery() then (pg_current_wal_lsn() - confirmed_flush_lsn)::bigint
    end as unconfirmed_bytes,
    wal_status,
    safe_wal_size as safe_bytes
from pg_replication_slots
