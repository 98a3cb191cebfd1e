-- The last decisions of a few symbols, oldest first.
select recent.*
from unnest(%(symbols)s::text[]) as asked (symbol)
cross join lateral (
    select
        symbol,
        decided_at,
        close_price,
        decision,
        probability_up,
        agreement
    from ensemble.ensemble_decisions as decisions
    where decisions.symbol = asked.symbol
    order by decisions.decided_at desc
    limit %(count)s
) as recent
order by recent.symbol, recent.decided_at
