-- Rows of each side's tables, as last seen.
select
    side,
    sum(live_rows) as live_rows,
    sum(dead_rows) as dead_rows
from signal_marts.observed_tables as tables
where
    sample_id = (
        select max(parts.sample_id)
        from signal_marts.sample_parts as parts
        where parts.part = 'tables' and parts.relation = '' and parts.side = tables.side
    )
group by side
