-- The last decision, and the newest bar.
with newest as (select max(closed_at) as closed_at from performance.price_bars)

select
    (
        select extract(epoch from max(decided_at)) from ensemble.ensemble_decisions
    ) as decision_timestamp_seconds,
    extract(epoch from newest.closed_at) as bar_timestamp_seconds,
    (
        select extract(epoch from min(bars.closed_at - bars.opened_at))
        from performance.price_bars as bars
        where bars.closed_at = newest.closed_at
    ) as bar_seconds
from newest
