with outcomes as (
    {signal_outcomes}
),

binned as (
    select
        model_id,
        greatest(1, ceil(confidence::numeric * 10)::integer) as confidence_bin,
        count(*) as n,
        count(*) filter (where outcome_return > 0) as hits,
        avg(0.5 + confidence / 2) as mean_predicted
    from outcomes
    where outcome_return is not null
    group by 1, 2
)

select
    m.id as model_id, bins.n as confidence_bin, coalesce(b.n, 0) as n, coalesce(b.hits, 0) as hits,
    b.mean_predicted, b.hits::double precision / b.n as observed_rate,
    (b.hits + 1.92072941 - 1.95996398 * sqrt(b.hits * (b.n - b.hits)::double precision / b.n + 0.96036471))
    / (b.n + 3.84145882) as observed_rate_lower,
    (b.hits + 1.92072941 + 1.95996398 * sqrt(b.hits * (b.n - b.hits)::double precision / b.n + 0.96036471))
    / (b.n + 3.84145882) as observed_rate_upper
from ai_models as m
cross join generate_series(1, 10) as bins (n)
left join binned as b on m.id = b.model_id and bins.n = b.confidence_bin
