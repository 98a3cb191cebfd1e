-- The latest decision of each symbol, strongest first; experts as [name, weight], strongest first.
with recursive symbols as (
    (select symbol from ensemble.ensemble_decisions order by symbol limit 1)
    union all
    select (
        select next_one.symbol
        from ensemble.ensemble_decisions as next_one
        where next_one.symbol > symbols.symbol
        order by next_one.symbol
        limit 1
    )
    from symbols
    where symbols.symbol is not null
),

latest as (
    select decided.*
    from symbols
    cross join lateral (
        select *
        from ensemble.ensemble_decisions as decisions
        where decisions.symbol = symbols.symbol
        order by decisions.decided_at desc
        limit 1
    ) as decided
    where
        %(symbols)s::text[] is null
        or decided.symbol = any(%(symbols)s)
),

weights as (
    select
        weight_date,
        expert_name,
        max(weight) as weight
    from ensemble.expert_weights
    where weight_date in (select latest.weight_date from latest)
    group by weight_date, expert_name
)

select
    latest.symbol,
    latest.decision,
    latest.probability_up,
    latest.agreement,
    latest.contributors,
    latest.experts,
    agreeing.experts as agreeing,
    dissenting.experts as dissenting,
    latest.close_price,
    latest.timeframe,
    latest.decided_at
from latest
cross join lateral (
    select json_agg(json_build_array(named.name, weights.weight) order by named.place) as experts
    from unnest(string_to_array(latest.confirming_experts, ', '))
        with ordinality as named (name, place)
    left join weights
        on named.name = weights.expert_name and weights.weight_date = latest.weight_date
) as agreeing
cross join lateral (
    select json_agg(json_build_array(named.name, weights.weight) order by named.place) as experts
    from unnest(string_to_array(latest.contradicting_experts, ', '))
        with ordinality as named (name, place)
    left join weights
        on named.name = weights.expert_name and weights.weight_date = latest.weight_date
) as dissenting
order by abs(latest.probability_up - 0.5) desc, latest.symbol
