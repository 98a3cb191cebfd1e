-- Grain: a signal whose hypothetical trade is resolved. Times are UTC.

{{ config(
    unique_key='signal_id',
    meta={
        'follows': {
            'stg_ai__trading_signals': 'signal_id',
            'int_signal_barriers': 'signal_id',
            'int_signal_outcomes': 'signal_id',
            'int_signal_orders': 'signal_id',
            'int_lots_closed': 'signal_id'
        }
    },
    pre_hook="{{ avoid_nested_loops() }}"
) }}

{# A quotient has no last decimal. #}
{% set hypothetical_profit -%}
    round(
        {{ var('signal_stake') }} * hypothetical.unit_profit / hypothetical.entry_price,
        {{ var('money_decimals') | int(1) }}
    )
{%- endset %}

with signals as (

    select *
    from {{ followed('stg_ai__trading_signals') }}

),

barriers as (

    select *
    from {{ followed('int_signal_barriers') }}

),

outcomes as (

    select *
    from {{ followed('int_signal_outcomes') }}

),

signal_orders as (

    select *
    from {{ followed('int_signal_orders') }}

),

closed_lots as (

    select *
    from {{ followed('int_lots_closed') }}

),

hypothetical as (

    select
        signals.signal_id,
        signals.signal_type,
        barriers.entry_price,
        outcomes.exit_price,
        case signals.signal_type when 'BUY' then 1 else -1 end
        * (outcomes.exit_price - barriers.entry_price) as unit_profit
    from signals
    inner join barriers
        on signals.signal_id = barriers.signal_id
    inner join outcomes
        on signals.signal_id = outcomes.signal_id

),

-- On the signal's own side: the other one closes.
ordered as (

    select
        signal_orders.signal_id,
        sum(signal_orders.quantity) as quantity,
        max(signal_orders.created_at) as ordered_at
    from signal_orders
    inner join hypothetical
        on
            signal_orders.signal_id = hypothetical.signal_id
            and signal_orders.side = hypothetical.signal_type
    group by signal_orders.signal_id

),

lots as (

    select
        closed_lots.*,
        hypothetical.entry_price as signal_entry_price,
        hypothetical.exit_price as signal_exit_price,
        case closed_lots.direction when 'LONG' then 1 else -1 end
        * closed_lots.quantity as signed_quantity,
        coalesce(signal_orders.arrival_price, hypothetical.entry_price)
            as arrival_price
    from closed_lots
    inner join hypothetical
        on closed_lots.signal_id = hypothetical.signal_id
    left join signal_orders
        on closed_lots.opening_order_id = signal_orders.order_id

),

-- What the lots would have earned at the signal's own prices, and what each of their
-- prices took away.
executed as (

    select
        signal_id,
        count(*) as trades,
        case when min(currency) = max(currency) then min(currency) end as currency,
        sum(quantity) as quantity,
        {% for amount, earlier_price, later_price in [
            ('untouched', 'signal_entry_price', 'signal_exit_price'),
            ('delay', 'signal_entry_price', 'arrival_price'),
            ('price', 'arrival_price', 'entry_price'),
            ('exit', 'exit_price', 'signal_exit_price')
        ] %}
            sum({{ money_product(
                '(' ~ later_price ~ ' - ' ~ earlier_price ~ ')', 'signed_quantity'
            ) }})
                as {{ amount }},
        {% endfor %}
        sum(fees) as fees,
        sum(net_profit) as net_profit,
        max(exit_at) as exit_at
    from lots
    group by signal_id

),

int_signal_gaps as (

    select
        hypothetical.signal_id,
        cast(ordered.quantity as {{ type_money() }}) as ordered_quantity,
        ordered.ordered_at,
        coalesce(executed.trades, 0) as trades,
        executed.currency,
        cast(executed.quantity as {{ type_money() }}) as quantity,
        {% for amount, expression in [
            ('hypothetical_profit', hypothetical_profit),
            ('ordered_profit', money_product('hypothetical.unit_profit', 'ordered.quantity')),
            ('untouched', 'coalesce(executed.untouched, 0)'),
            ('delay', 'coalesce(executed.delay, 0)'),
            ('price', 'coalesce(executed.price, 0)'),
            ('exit', 'coalesce(executed.exit, 0)'),
            ('fees', 'coalesce(executed.fees, 0)'),
            ('net_profit', 'coalesce(executed.net_profit, 0)')
        ] %}
            cast({{ expression }} as {{ type_product() }}) as {{ amount }},
        {% endfor %}
        executed.exit_at
    from hypothetical
    left join ordered
        on hypothetical.signal_id = ordered.signal_id
    left join executed
        on hypothetical.signal_id = executed.signal_id

)

select * from int_signal_gaps {{ newest_together('signal_id') }}
