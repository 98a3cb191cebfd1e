-- Grain: a raw row that cannot be used, and a column that is to blame. Times are UTC.

-- The books that models of staging write with their rows are no one's model.
with set_aside as (

    select * from {{ changes_table('rejected_rows') }}

),

rejected_rows as (

    select
        source_table,
        row_key,
        column_name,
        value,
        reason,
        first_seen_at
    from set_aside

)

select * from rejected_rows
