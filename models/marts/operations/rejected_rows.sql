-- Grain: a raw row that cannot be used, and a column that is the reason. Times are UTC.

-- Staging models write these books together with their rows; no model owns them.
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
