select
    subscription_name,
    is_enabled,
    is_applying,
    tables,
    tables_ready,
    apply_error_count,
    sync_error_count,
    last_message_sent_at,
    last_message_received_at,
    last_fenced_at,
    now() as now
from operations.replication_health
order by subscription_name
