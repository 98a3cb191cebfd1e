-- The foreign keys of a table of the primary, and how often a row that they point at is deleted.
select
    keys.constraint_name,
    keys.columns,
    keys.referenced_schema || '.' || keys.referenced_table as referenced_table,
    (
        select
            cast(
                24 * sum(activity.rows_deleted) / nullif(
                    sum(activity.observed_hours) filter (where activity.rows_deleted is not null), 0
                ) as double precision
            )
        from operations.table_activity as activity
        where
            activity.side = 'primary'
            and activity.schema_name = keys.referenced_schema
            and activity.table_name = keys.referenced_table
    ) as deletes_per_day
from signal_marts.observed_foreign_keys as keys
where
    keys.sample_id = %(sample_id)s
    and keys.side = 'primary'
    and keys.schema_name = %(schema)s
    and keys.table_name = %(table)s
order by keys.constraint_name
