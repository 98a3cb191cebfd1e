-- Grain: a subscription of the replica. Times are UTC.

-- A view of the server's own catalogs: it shows the state at the moment of reading.
with subscriptions as (

    select
        oid as subscription_id,
        subname as subscription_name,
        subenabled as is_enabled
    from pg_subscription
    where subdbid = (
        select pg_database.oid
        from pg_database
        where pg_database.datname = current_database()
    )

),

-- Parallel workers and copies of tables have rows of their own.
workers as (

    select
        subid as subscription_id,
        bool_or(pid is not null) as is_applying,
        max(last_msg_send_time) as last_message_sent_at,
        max(last_msg_receipt_time) as last_message_received_at
    from pg_stat_subscription
    where relid is null
    group by subid

),

tables as (

    select
        srsubid as subscription_id,
        count(*) as tables,
        count(*) filter (where srsubstate = 'r') as tables_ready
    from pg_subscription_rel
    group by srsubid

),

errors as (

    select
        subid as subscription_id,
        apply_error_count,
        sync_error_count
    from pg_stat_subscription_stats

),

fence as (

    select max(written_at) as last_fenced_at
    from {{ source('ai', 'ai_replication_fence') }}

),

replication_health as (

    select
        cast(subscriptions.subscription_name as {{ dbt.type_string() }})
            as subscription_name,
        subscriptions.is_enabled,
        coalesce(workers.is_applying, false) as is_applying,
        coalesce(tables.tables, 0) as tables,
        coalesce(tables.tables_ready, 0) as tables_ready,
        coalesce(errors.apply_error_count, 0) as apply_error_count,
        coalesce(errors.sync_error_count, 0) as sync_error_count,
        workers.last_message_sent_at,
        workers.last_message_received_at,
        fence.last_fenced_at
    from subscriptions
    cross join fence
    left join workers
        on subscriptions.subscription_id = workers.subscription_id
    left join tables
        on subscriptions.subscription_id = tables.subscription_id
    left join errors
        on subscriptions.subscription_id = errors.subscription_id

)

select * from replication_health
