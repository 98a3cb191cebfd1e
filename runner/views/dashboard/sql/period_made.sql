-- What the trades of a period's signals earned, by model and currency.
select
    model_name || ' ' || model_version as model,
    executed_currency as currency,
    sum(executed_net_profit) as executed_net_profit
from performance.signal_outcomes
where
    created_at >= %(first)s
    and created_at < %(last)s
    and executed_currency is not null
group by model_name, model_version, executed_currency
order by currency
