-- The weight of every expert on every day, from the rounds resolved before.
with recursive live as materialized (
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

days_of_experts as materialized (
    select
        d.day, e.expert_id, d.day >= e.joined_date as decides,
        coalesce(l.excess_loss, 0) as new_loss
    from days as d
    cross join experts as e
    left join losses as l on e.expert_id = l.expert_id and d.day = l.resolved_date + 1
),

walk (day, expert_id, decides, weight) as (
    select day - 1, expert_id, false, 0::double precision
    from days_of_experts
    where day = (select min(day) from days)

    union all

    select
        day, expert_id, decides,
        case
            when not decides then 0
            when not decided then 1 / experts
            else 0.999 * (1 - newcomers / experts) * raw / sum(raw) over () + 0.001 / experts
        end
    from (
        select
            d.day, d.expert_id, d.decides, w.decides as decided,
            w.weight * exp(-d.new_loss / 2) as raw,
            cast(count(*) filter (where d.decides) over () as double precision) as experts,
            count(*) filter (where d.decides and not w.decides) over () as newcomers
        from walk as w
        inner join days_of_experts as d on d.day = w.day + 1 and w.expert_id = d.expert_id
    ) as counted
)

select
    s.day, s.expert_id, s.experts, s.rounds_resolved, s.forecasts_resolved, s.excess_loss,
    w.weight
from summed as s
inner join walk as w on s.day = w.day and s.expert_id = w.expert_id
