with live as (
    {live_forecasts}
),

decisions as (
    {ensemble_decisions}
),

experts as (
    {joined_experts}
),

outcomes as (
    select distinct symbol, closed_at, decided_date, went_up
    from live
    where went_up is not null
),

daily as (
    select
        o.decided_date as day, count(*) as rounds,
        sum(power(d.probability_up - o.went_up, 2)) as ensemble_loss,
        sum(power(d.equal_weights_probability_up - o.went_up, 2)) as equal_weights_loss
    from decisions as d
    inner join outcomes as o on d.symbol = o.symbol and d.decided_at = o.closed_at
    group by o.decided_date
),

losses as (
    select
        expert_id, decided_date as day,
        sum(power(probability_up - went_up, 2) - 0.25) as excess_loss
    from live
    where went_up is not null
    group by expert_id, decided_date
),

days as (
    select generate_series(
        (select min(day) from daily), (select max(decided_date) from live), '1 day'
    )::date as day
),

best as (
    select d.day, min(coalesce((
        select sum(l.excess_loss) from losses as l
        where l.expert_id = e.expert_id and l.day <= d.day
    ), 0)) as excess_loss
    from days as d
    inner join experts as e on d.day >= e.joined_date
    group by d.day
),

summed as (
    select
        d.day, coalesce(r.rounds, 0) as rounds, b.excess_loss,
        sum(r.rounds) over so_far as cumulative_rounds,
        sum(r.ensemble_loss) over so_far as ensemble_loss,
        sum(r.equal_weights_loss) over so_far as equal_weights_loss
    from days as d
    inner join best as b on d.day = b.day
    left join daily as r on d.day = r.day
    window so_far as (order by d.day)
)

select
    day as decision_date, rounds, cumulative_rounds, ensemble_loss, equal_weights_loss,
    0.25 * cumulative_rounds as silence_loss,
    0.25 * cumulative_rounds + excess_loss as best_expert_loss,
    ensemble_loss - 0.25 * cumulative_rounds - excess_loss as regret
from summed
