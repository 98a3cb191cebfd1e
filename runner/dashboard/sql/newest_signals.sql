-- The newest signals, symbol by symbol through the index, without their outcomes, which are another
-- mart's.
with recursive symbols as (
    (select symbol from ensemble.signal_confluence order by symbol limit 1)
    union all
    select (
        select next_one.symbol
        from ensemble.signal_confluence as next_one
        where next_one.symbol > symbols.symbol
        order by next_one.symbol
        limit 1
    )
    from symbols
    where symbols.symbol is not null
)

select newest.*
from symbols
cross join lateral (
    select
        signal_id,
        created_at,
        symbol,
        model_name || ' ' || model_version as model,
        signal_type,
        confidence,
        relation,
        pattern_type,
        order_count,
        last_order_status,
        status
    from ensemble.signal_confluence as confluence
    where
        confluence.symbol = symbols.symbol
        and (%(first)s::timestamptz is null or created_at >= %(first)s)
        and (%(last)s::timestamptz is null or created_at < %(last)s)
    order by created_at desc
    limit %(count)s
) as newest
where %(symbols)s::text[] is null or symbols.symbol = any(%(symbols)s)
order by newest.created_at desc, newest.signal_id desc
limit %(count)s
