-- The last decision, the newest bar, and the newest bar on which the ensemble may decide. There are many bars: each is looked
-- up by an index.
with last_decision as (
    select
        symbols.symbol,
        newest.decided_at
    from (select distinct symbol from intermediate.int_timeframes) as symbols
    cross join lateral (
        select decisions.decided_at
        from ensemble.ensemble_decisions as decisions
        where decisions.symbol = symbols.symbol
        order by decisions.decided_at desc
        limit 1
    ) as newest
    order by newest.decided_at desc, symbols.symbol
    limit 1
),

decision_bar as (
    select
        bars.decided_at,
        bars.bar_seconds
    from intermediate.int_ensemble_bars as bars
    where bars.symbol = (select symbol from last_decision)
    order by bars.decided_at desc
    limit 1
),

-- A bar is available when it closes.
bar as (
    select
        available_at,
        closed_at - opened_at as length
    from performance.price_bars
    where available_at is not null
    order by available_at desc, length
    limit 1
)

select
    extract(epoch from last_decision.decided_at) as decision_timestamp_seconds,
    extract(epoch from bar.available_at) as bar_timestamp_seconds,
    extract(epoch from bar.length) as bar_seconds,
    extract(epoch from decision_bar.decided_at) as decision_bar_timestamp_seconds,
    decision_bar.bar_seconds as decision_bar_seconds
from (select) as always
left join last_decision on true
left join bar on true
left join decision_bar on true
