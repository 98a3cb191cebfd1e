-- The weight of every expert on every day, from the rounds resolved before.
with live as materialized (
    {live_forecasts}
),

experts as (
    {joined_experts}
),

days as (
    select generate_series(
        greatest((select min(joined_date) from experts), min(closed.day)), max(closed.day), '1 day'
    )::date as day
    from (
        select ((opened_at + interval '1 hour') at time zone 'UTC')::date as day from market_bars
    ) as closed
),

rounds as materialized (
    select resolved_date, count(*) as rounds
    from (
        select distinct symbol, opened_at, resolved_date from live where went_up is not null
    ) as bars
    group by resolved_date
),

losses as materialized (
    select
        expert_id, resolved_date, count(*) as forecasts,
        sum(power(probability_up - went_up, 2) - 0.25) as excess_loss
    from live
    where went_up is not null
    group by expert_id, resolved_date
),

summed as (
    select
        d.day, e.expert_id, count(*) over (partition by d.day) as experts,
        coalesce((select sum(r.rounds) from rounds as r where r.resolved_date < d.day), 0)
            as rounds_resolved,
        coalesce((
            select sum(l.forecasts) from losses as l
            where l.expert_id = e.expert_id and l.resolved_date < d.day
        ), 0) as forecasts_resolved,
        coalesce((
            select sum(l.excess_loss) from losses as l
            where l.expert_id = e.expert_id and l.resolved_date < d.day
        ), 0) as excess_loss
    from days as d
    inner join experts as e on d.day >= e.joined_date
),

raised as (
    select
        *,
        exp(greatest(
            0.5 * (min(excess_loss) over (partition by day) - excess_loss), -300
        )) as raw_weight
    from summed
)

select
    day, expert_id, experts, rounds_resolved, forecasts_resolved, excess_loss,
    raw_weight / sum(raw_weight) over (partition by day) as weight
from raised
