-- Each part of a side, when it was last looked for.
select
    side,
    extract(epoch from max(taken_at)) as sample_timestamp_seconds,
    count(*) filter (where not is_seen) as sample_parts_not_seen
from (
    select distinct on (parts.side, parts.part)
        parts.side,
        parts.is_seen,
        samples.taken_at
    from signal_marts.sample_parts as parts
    inner join signal_marts.samples on parts.sample_id = samples.id
    where parts.relation = ''
    order by parts.side, parts.part, parts.sample_id desc
) as newest
group by side
