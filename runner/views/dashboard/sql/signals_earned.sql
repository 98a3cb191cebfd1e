-- What the trades of a period's signals earned, by model and currency.
select
    model_name || ' ' || model_version as model,
    executed_currency as currency,
    sum(executed_net_profit) as executed_net_profit
from performance.signal_outcomes
where
    (%(first_at)s::timestamptz is null or created_at >= %(first_at)s)
    and (%(end_at)s::timestamptz is null or created_at < %(end_at)s)
    and (%(symbols)s::text[] is null or symbol = any(%(symbols)s))
    and (
        %(sources)s::text[] is null
        or model_name || ' ' || model_version = any(%(sources)s)
    )
    and executed_currency is not null
group by model_name, model_version, executed_currency
order by currency
