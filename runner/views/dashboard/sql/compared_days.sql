-- The days of a model's BUY and SELL signals.
select
    min(signal_date) as first,
    max(signal_date) as last
from performance.model_outcomes_daily
where
    model_id = %(model_id)s
    and (%(symbols)s::text[] is null or symbol = any(%(symbols)s))
    and (%(first)s::date is null or signal_date >= %(first)s)
    and (%(last)s::date is null or signal_date <= %(last)s)
having count(*) > 0
