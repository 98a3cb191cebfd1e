select
    source_table,
    row_key,
    column_name,
    value,
    reason,
    first_seen_at,
    count(*) over () as count
from operations.rejected_rows
order by first_seen_at desc, source_table, row_key, column_name
limit 200
