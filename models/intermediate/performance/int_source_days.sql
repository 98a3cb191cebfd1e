-- Grain: a UTC day and a source that placed an order, opened a position or closed a
-- trade on it, in an account. A lot has one value, so that it leaves with what it came.

{{ config(
    unique_key=['trading_date', 'source_type', 'source_name', 'account', 'currency'],
    meta={
        'affected_by': 'trading_date',
        'follows': {
            'int_orders_attributed': utc_date('created_at'),
            'int_open_positions': utc_date('opened_at'),
            'int_lots_closed': [utc_date('entry_at'), utc_date('exit_at')]
        }
    }
) }}

with orders as (

    select
        source_type,
        source_name,
        account,
        currency,
        {{ utc_date('created_at') }} as trading_date
    from {{ followed('int_orders_attributed') }}

),

opened_positions as (

    select
        source_type,
        source_name,
        account,
        currency,
        {{ utc_date('entry_at') }} as trading_date,
        cast(abs({{ money_product(
            'entry_price', 'quantity'
        ) }}) as {{ type_money() }}) as entry_value
    from {{ followed('int_lots_closed', by=utc_date('entry_at')) }}

    union all

    select
        source_type,
        source_name,
        account,
        currency,
        {{ utc_date('opened_at') }} as trading_date,
        cast(abs({{ money_product(
            'price', 'open_quantity'
        ) }}) as {{ type_money() }}) as entry_value
    from {{ followed('int_open_positions') }}

),

closed_trades as (

    select
        source_type,
        source_name,
        account,
        currency,
        {{ utc_date('exit_at') }} as trading_date,
        cast(abs({{ money_product(
            'entry_price', 'quantity'
        ) }}) as {{ type_money() }}) as entry_value,
        net_profit,
        result
    from {{ followed('int_lots_closed', by=utc_date('exit_at')) }}

),

facts as (

    select
        source_type,
        source_name,
        account,
        currency,
        trading_date,
        count(*) as orders,
        0 as opened_positions,
        0 as trades,
        0 as winning_trades,
        0 as losing_trades,
        0 as net_profit,
        0 as gross_profit,
        0 as gross_loss,
        0 as opened_value,
        0 as closed_value
    from orders
    group by source_type, source_name, account, currency, trading_date

    union all

    select
        source_type,
        source_name,
        account,
        currency,
        trading_date,
        0 as orders,
        count(*) as opened_positions,
        0 as trades,
        0 as winning_trades,
        0 as losing_trades,
        0 as net_profit,
        0 as gross_profit,
        0 as gross_loss,
        sum(entry_value) as opened_value,
        0 as closed_value
    from opened_positions
    group by source_type, source_name, account, currency, trading_date

    union all

    select
        source_type,
        source_name,
        account,
        currency,
        trading_date,
        0 as orders,
        0 as opened_positions,
        count(*) as trades,
        count(*) filter (where result = 'WIN') as winning_trades,
        count(*) filter (where result = 'LOSS') as losing_trades,
        sum(net_profit) as net_profit,
        coalesce(sum(net_profit) filter (where net_profit > 0), 0) as gross_profit,
        coalesce(sum(net_profit) filter (where net_profit < 0), 0) as gross_loss,
        0 as opened_value,
        sum(entry_value) as closed_value
    from closed_trades
    group by source_type, source_name, account, currency, trading_date

),

source_days as (

    select
        trading_date,
        source_type,
        source_name,
        account,
        currency,
        {% for column in [
            'orders', 'opened_positions', 'trades', 'winning_trades', 'losing_trades'
        ] -%}
            cast(sum({{ column }}) as bigint) as {{ column }},
        {% endfor -%}
        {% for column in [
            'net_profit', 'gross_profit', 'gross_loss', 'opened_value', 'closed_value'
        ] -%}
            cast(sum({{ column }}) as {{ type_money() }}) as {{ column }}
            {%- if not loop.last %},{% endif %}
        {% endfor %}
    from facts
    group by trading_date, source_type, source_name, account, currency

)

select * from source_days
