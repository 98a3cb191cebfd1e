-- Grain: a subscription of the replica in a sample. Times are UTC.

with subscriptions as (

    select * from {{ source('observed', 'subscriptions') }}

),

slots as (

    select * from {{ source('observed', 'slots') }}

),

samples as (

    select * from {{ source('observed', 'samples') }}

),

replication_history as (

    select
        subscriptions.sample_id,
        samples.taken_at as observed_at,
        subscriptions.subscription_name,
        subscriptions.slot_name,
        subscriptions.is_enabled,
        subscriptions.is_applying,
        subscriptions.tables_not_ready,
        subscriptions.apply_errors as apply_error_count,
        subscriptions.sync_errors as sync_error_count,
        slots.is_active as is_slot_active,
        slots.unconfirmed_bytes,
        slots.retained_bytes,
        slots.wal_status
    from subscriptions
    inner join samples
        on subscriptions.sample_id = samples.id
    left join slots
        on
            subscriptions.sample_id = slots.sample_id
            and subscriptions.slot_name = slots.slot_name
            and slots.side = 'primary'
    where subscriptions.side = 'replica'

)

select * from replication_history
