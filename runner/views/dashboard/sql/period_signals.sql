-- Outcomes of a period's signals, by model.
select
    model_name || ' ' || model_version as model,
    count(*) as signals,
    count(*) filter (where signal_type = 'HOLD') as holds,
    count(is_win) as resolved,
    count(*) filter (where is_win) as wins,
    count(*) filter (where outcome = 'TAKE_PROFIT') as took_profit,
    count(*) filter (where outcome = 'STOP_LOSS') as stopped,
    count(*) filter (where outcome = 'EXPIRED') as expired,
    avg(outcome_return) as mean_return,
    count(*) filter (where executed_trades > 0) as traded
from performance.signal_outcomes
where created_at >= %(first)s and created_at < %(last)s
group by model_name, model_version
order by model
