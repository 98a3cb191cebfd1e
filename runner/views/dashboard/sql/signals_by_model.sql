-- Outcomes of a period's signals, by model.
select
    model_name || ' ' || model_version as model,
    count(*) as signals,
    count(*) filter (where signal_type = 'HOLD') as holds,
    count(is_win) filter (where signal_type <> 'HOLD') as resolved,
    count(*) filter (where is_win) as wins,
    count(*) filter (where outcome = 'TAKE_PROFIT') as took_profit,
    count(*) filter (where outcome = 'STOP_LOSS') as stopped,
    count(*) filter (where outcome = 'EXPIRED') as expired,
    avg(outcome_return) as mean_return,
    count(*) filter (where executed_trades > 0) as traded
from performance.signal_outcomes
where
    (%(first_at)s::timestamptz is null or created_at >= %(first_at)s)
    and (%(end_at)s::timestamptz is null or created_at < %(end_at)s)
    and (%(symbols)s::text[] is null or symbol = any(%(symbols)s))
    and (
        %(sources)s::text[] is null
        or model_name || ' ' || model_version = any(%(sources)s)
    )
group by model_name, model_version
order by model
