-- Relations of the signals in the last day that has any, symbol by symbol through the index.
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
    confluence.relation,
    count(*) as signals,
    count(*) filter (where confluence.order_count > 0) as traded,
    max(confluence.created_at) as newest_at
from symbols
inner join ensemble.signal_confluence as confluence
    on
        symbols.symbol = confluence.symbol
        and confluence.created_at > (select newest.newest_at from newest) - interval '24 hours'
group by confluence.relation
order by signals desc
