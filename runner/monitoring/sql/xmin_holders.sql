-- The oldest holder of each side, as last looked for: 0 only where all holders could be seen.
select
    newest.side,
    case when newest.is_seen or max(holders.xmin_age) > 0 then coalesce(max(holders.xmin_age), 0) end
        as xmin_age_transactions
from (
    select distinct on (side)
        side,
        sample_id,
        is_seen
    from signal_marts.sample_parts
    where part = 'xmin_holders' and relation = ''
    order by side, sample_id desc
) as newest
left join signal_marts.observed_xmin_holders as holders
    on newest.sample_id = holders.sample_id and newest.side = holders.side
group by newest.side, newest.is_seen
