-- Each side's samples, and each part that metrics are read from: when it was last seen, if only in part.
select
    side,
    part,
    case when part is null then extract(epoch from max(looked_at)) end as sample_timestamp_seconds,
    case when part is null then count(*) filter (where not is_seen) end as sample_parts_not_seen,
    case
        when part in ('servers', 'xmin_holders', 'sequences', 'tables')
            then extract(epoch from max(seen_at))
    end as sample_part_timestamp_seconds
from (
    select
        parts.side,
        parts.part,
        max(samples.taken_at) as looked_at,
        max(samples.taken_at) filter (where parts.row_count is not null) as seen_at,
        (array_agg(parts.is_seen order by parts.sample_id desc))[1] as is_seen
    from signal_marts.sample_parts as parts
    inner join signal_marts.samples on parts.sample_id = samples.id
    where parts.relation = ''
    group by parts.side, parts.part
) as looked_for
group by grouping sets ((side), (side, part))
