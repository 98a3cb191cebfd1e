-- The last decision of each symbol. There are many: each is looked up by an index.
select
    symbols.symbol as subject,
    newest.decision as level,
    format(
        'P(up) %s%%, at %s UTC', round(cast(100 * newest.probability_up as numeric), 1),
        to_char(newest.decided_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI')
    ) as text
from (select distinct symbol from intermediate.int_timeframes) as symbols
cross join lateral (
    select decisions.decision, decisions.probability_up, decisions.decided_at
    from ensemble.ensemble_decisions as decisions
    where decisions.symbol = symbols.symbol
    order by decisions.decided_at desc
    limit 1
) as newest
