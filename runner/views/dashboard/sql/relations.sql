-- Relations of the signals of the last day that has any, symbol by symbol through the index.
with symbols as (
    select unnest(%(listed_symbols)s::text[]) as symbol
),

newest as (
    select max(latest.created_at) as newest_at
    from symbols
    cross join lateral (
        select confluence.created_at
        from ensemble.signal_confluence as confluence
        where confluence.symbol = symbols.symbol
        order by confluence.created_at desc
        limit 1
    ) as latest
)

select
    recent.relation,
    count(*) as signals,
    count(*) filter (where recent.order_count > 0) as traded,
    max(recent.created_at) as newest_at
from symbols
cross join lateral (
    select
        confluence.relation,
        confluence.order_count,
        confluence.created_at
    from ensemble.signal_confluence as confluence
    where
        confluence.symbol = symbols.symbol
        and confluence.created_at > (select newest.newest_at from newest) - interval '24 hours'
        and (
            %(sources)s::text[] is null
            or confluence.model_name || ' ' || confluence.model_version = any(%(sources)s)
        )
    offset 0 -- keeps the planner, which does not know how short a day is, from reading them all
) as recent
group by recent.relation
order by signals desc
