-- The oldest holder of each side, as last looked for: 0 only where all holders could be seen.
select
    newest.side,
    case when newest.is_seen or max(holders.xmin_age) > 0 then coalesce(max(holders.xmin_age), 0) end
        as xmin_age_transactions
from signal_marts.last_parts as newest
left join signal_marts.observed_xmin_holders as holders
    on newest.sample_id = holders.sample_id and newest.side = holders.side
where newest.part = 'xmin_holders'
group by newest.side, newest.is_seen
