-- What signals that were over in the period would have earned and did earn, by model, and of all
-- together. Those that nobody traded have no currency, and belong to each; those in several have
-- no amounts.
with models as (
    select
        model_name,
        model_version,
        count(*) as signals,
        count(*) filter (where executed_trades > 0) as traded,
        sum(hypothetical_profit) as hypothetical_profit,
        sum(size) as size,
        sum(not_traded) as not_traded,
        count(*) filter (where executed_trades = 0) as untraded,
        sum(hypothetical_profit) filter (where executed_trades = 0) as untraded_profit,
        sum(delay) as delay,
        sum(price) as price,
        sum(exit) as exit,
        sum(fees) as fees,
        sum(real_profit) as real_profit,
        count(*) filter (where hypothetical_profit is null) as unknown
    from performance.signal_gaps
    where
        (currency = %(currency)s or currency is null)
        and (%(symbols)s::text[] is null or symbol = any(%(symbols)s))
        and (
            %(sources)s::text[] is null
            or model_name || ' ' || model_version = any(%(sources)s)
        )
        and (%(first_at)s::timestamptz is null or closed_at >= %(first_at)s)
        and (%(end_at)s::timestamptz is null or closed_at < %(end_at)s)
    group by model_name, model_version
)

select
    case when grouping(model_name) = 1 then 'all' else model_name || ' ' || model_version end
        as model,
    cast(sum(signals) as bigint) as signals,
    cast(sum(traded) as bigint) as traded,
    sum(hypothetical_profit) as hypothetical_profit,
    sum(size) as size,
    sum(not_traded) as not_traded,
    cast(sum(untraded) as bigint) as untraded,
    sum(untraded_profit) as untraded_profit,
    sum(delay) as delay,
    sum(price) as price,
    sum(exit) as exit,
    sum(fees) as fees,
    sum(real_profit) as real_profit,
    cast(sum(unknown) as bigint) as unknown
from models
group by grouping sets ((model_name, model_version), ())
having count(*) > 0
order by grouping(model_name) desc, real_profit desc nulls last, model
