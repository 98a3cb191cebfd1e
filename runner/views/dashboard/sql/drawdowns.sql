-- Drawdowns that reach into the period, of the account or of the sources that are asked for.
select
    case source_type when 'all' then 'account' else source_type || ': ' || source_name end
        as source,
    begin_date,
    trough_date,
    end_date,
    is_open,
    days,
    peak_equity,
    trough_equity,
    lost_amount,
    depth
from performance.drawdowns
where
    account = %(account)s
    and currency = %(currency)s
    and case
        when %(sources)s::text[] is null then source_type = 'all'
        else source_type <> 'all' and source_name = any(%(sources)s)
    end
    and (%(first)s::date is null or is_open or end_date >= %(first)s)
    and (%(last)s::date is null or begin_date <= %(last)s)
order by is_open desc, depth, begin_date
limit 10
