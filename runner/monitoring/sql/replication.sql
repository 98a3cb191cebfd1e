-- Our subscription: one row, also where there is none.
select
    coalesce(bool_or(is_enabled), false)::integer as subscription_enabled,
    coalesce(bool_or(is_applying), false)::integer as subscription_applying,
    sum(tables - tables_ready) as subscription_tables_not_ready,
    sum(apply_error_count) as subscription_apply_errors_total,
    sum(sync_error_count) as subscription_sync_errors_total,
    extract(epoch from max(last_message_received_at)) as replication_received_timestamp_seconds,
    extract(epoch from max(last_fenced_at)) as replication_fenced_timestamp_seconds
from operations.replication_health
where subscription_name = 'signal_marts'
