-- Tables with rows that turned out to be unusable in the last day.
select
    source_table as subject,
    cast(count(distinct row_key) as double precision) as level,
    format(
        '%s of its rows cannot be used since a day ago: %s; operations.rejected_rows names them',
        count(distinct row_key), string_agg(distinct reason, ', ')
    ) as text
from operations.rejected_rows
where first_seen_at > clock_timestamp() - interval '1 day'
group by source_table
