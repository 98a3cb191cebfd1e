-- Rows of each side's tables, as last seen.
select
    side,
    sum(live_rows) as live_rows,
    sum(dead_rows) as dead_rows
from signal_marts.observed_tables
inner join signal_marts.last_parts using (side, sample_id)
where part = 'tables'
group by side
