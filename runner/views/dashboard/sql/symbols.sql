-- Jumps from symbol to symbol in the index, whatever the number of signals.
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

select symbol as name from symbols where symbol is not null
