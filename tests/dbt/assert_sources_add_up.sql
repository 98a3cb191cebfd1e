-- The days of all sources add up to all closed trades, 'all' of a type to the sources
-- of that type, and a source's equity to its profits.

{# The linter has no value for a var: the default is for it alone. #}
{% set capital_base = var('capital_base', 1) %}

with source_performance_daily as (

    select * from {{ ref('source_performance_daily') }}

),

trades as (

    select * from {{ ref('trades') }}

),

source_totals as (

    select
        source_type,
        source_name,
        sum(net_profit) as net_profit,
        sum(trades) as trade_count
    from source_performance_daily
    group by source_type, source_name

),

trade_totals as (

    select
        source_type,
        source_name,
        sum(net_profit) as net_profit,
        count(*) as trade_count
    from trades
    where source_name <> 'all'
    group by source_type, source_name

    union all

    select
        source_type,
        'all' as source_name,
        sum(net_profit) as net_profit,
        count(*) as trade_count
    from trades
    group by source_type

),

last_days as (

    select
        source_type,
        source_name,
        equity,
        row_number() over (
            partition by source_type, source_name
            order by trading_date desc
        ) as reverse_number
    from source_performance_daily

),

violations as (

    select
        coalesce(source_totals.source_type, trade_totals.source_type) as source_type,
        coalesce(source_totals.source_name, trade_totals.source_name) as source_name,
        source_totals.net_profit,
        trade_totals.net_profit as trades_net_profit
    from source_totals
    full outer join trade_totals
        on
            source_totals.source_type = trade_totals.source_type
            and source_totals.source_name = trade_totals.source_name
    left join last_days
        on
            source_totals.source_type = last_days.source_type
            and source_totals.source_name = last_days.source_name
            and last_days.reverse_number = 1
    where
        coalesce(source_totals.net_profit, 0) <> coalesce(trade_totals.net_profit, 0)
        or coalesce(source_totals.trade_count, 0)
        <> coalesce(trade_totals.trade_count, 0)
        or last_days.equity - {{ capital_base }}
        is distinct from coalesce(trade_totals.net_profit, 0)

)

select * from violations
