-- The latest decision of each symbol, strongest first.
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
)

select
    latest.symbol,
    latest.decision,
    latest.probability_up,
    latest.agreement,
    latest.contributors,
    latest.experts,
    latest.confirming_experts,
    latest.contradicting_experts,
    latest.close_price,
    latest.timeframe,
    latest.decided_at
from symbols
cross join lateral (
    select *
    from ensemble.ensemble_decisions as decisions
    where decisions.symbol = symbols.symbol
    order by decisions.decided_at desc
    limit 1
) as latest
order by abs(latest.probability_up - 0.5) desc, latest.symbol
