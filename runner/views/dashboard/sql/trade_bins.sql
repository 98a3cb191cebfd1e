-- How many trades of the period lie between two edges, of net profits and of R-multiples; bin 0 is
-- below the first edge.
with counts as (
    select
        width_bucket(
            cast(net_profit as double precision), %(profit_edges)s::double precision[]
        ) as profit_bin,
        width_bucket(r_multiple, %(r_edges)s::double precision[]) as r_bin,
        count(*) as trades
    from performance.trades
    where
        currency = %(currency)s
        and %(account)s in (account, 'all')
        and (%(symbols)s::text[] is null or symbol = any(%(symbols)s))
        and (%(sources)s::text[] is null or source_name = any(%(sources)s))
        and (%(first_at)s::timestamptz is null or exit_at >= %(first_at)s)
        and (%(end_at)s::timestamptz is null or exit_at < %(end_at)s)
    group by profit_bin, r_bin
)

select
    'profit' as figure,
    profit_bin as bin,
    cast(sum(trades) as bigint) as trades
from counts
group by profit_bin

union all

select
    'r' as figure,
    r_bin as bin,
    cast(sum(trades) as bigint) as trades
from counts
where r_bin is not null
group by r_bin
order by figure, bin
