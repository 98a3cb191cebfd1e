-- How many trades of the period lie between two edges, of net profits and of R-multiples; bin 0 is
-- below the first edge.
with chosen as materialized (
    select
        cast(net_profit as double precision) as profit,
        r_multiple
    from performance.trades
    where
        currency = %(currency)s
        and %(account)s in (account, 'all')
        and (%(symbols)s::text[] is null or symbol = any(%(symbols)s))
        and (%(sources)s::text[] is null or source_name = any(%(sources)s))
        and (%(first_at)s::timestamptz is null or exit_at >= %(first_at)s)
        and (%(end_at)s::timestamptz is null or exit_at < %(end_at)s)
)

select
    'profit' as figure,
    width_bucket(profit, %(profit_edges)s::double precision[]) as bin,
    count(*) as trades
from chosen
group by bin

union all

select
    'r' as figure,
    width_bucket(r_multiple, %(r_edges)s::double precision[]) as bin,
    count(*) as trades
from chosen
where r_multiple is not null
group by bin
order by figure, bin
