-- Statements that the primary ran, and how often, costliest first; those of analytics are ours.
select
    statement as text,
    cast(
        sum(calls) / nullif(extract(epoch from max(last_at) - min(first_at)) / 86400, 0) as double precision
    ) as calls_per_day,
    cast(sum(rows_returned) / nullif(sum(calls), 0) as double precision) as rows_per_call
from operations.query_costs
where side = 'primary' and role_group <> 'analytics' and statement is not null
group by statement
order by sum(total_seconds) desc nulls last, statement
