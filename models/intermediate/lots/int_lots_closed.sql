-- Grain: a closed lot: the quantity that one opening and one closing order share. Times
-- are UTC.

{# The linter has no value for a var: the default of int is for it alone. #}
{% set account_decimals = var('account_decimals') | int(1) %}

{{ config(
    unique_key=['buy_order_id', 'sell_order_id'],
    meta={
        'follows': {
            'int_fills_matched_in_plan': 'buy_order_id, sell_order_id',
            'int_fills_matched_in_symbol': 'buy_order_id, sell_order_id',
            'int_fills': [
                through('int_fills_matched_in_plan', 'buy_order_id', of='order_id'),
                through('int_fills_matched_in_plan', 'sell_order_id', of='order_id'),
                through('int_fills_matched_in_symbol', 'buy_order_id', of='order_id'),
                through('int_fills_matched_in_symbol', 'sell_order_id', of='order_id')
            ],
            'int_orders_attributed': through('this', 'opening_order_id', of='order_id')
        }
    },
    indexes=[
        {'columns': ['opening_order_id']},
        {'columns': ['closing_order_id']},
        {'columns': ['signal_id']},
        {'columns': ['(' ~ utc_date('exit_at') ~ ')']},
        {'columns': ['(' ~ utc_date('entry_at') ~ ')']}
    ],
    pre_hook="{{ avoid_nested_loops() }}"
) }}

with buys as (

    select *
    from {{ followed('int_fills', by='order_id', keys='buy_order_id') }}

),

sells as (

    select *
    from {{ followed('int_fills', by='order_id', keys='sell_order_id') }}

),

attributed_orders as (

    select * from {{ ref('int_orders_attributed') }}

),

-- Two orders share units at most once, so the pair is the key. Within a stage, the
-- shared units are the intersection of two intervals, so there is one such range. Two
-- orders cannot meet in both stages: of the fills of one plan, account, currency and
-- symbol, the first stage leaves units on one side only.
matched as (

    {% for stage, matched_within in [
        ('int_fills_matched_in_plan', 'trade_plan'),
        ('int_fills_matched_in_symbol', 'symbol')
    ] %}
        select
            buy_order_id,
            sell_order_id,
            quantity,
            buy_quantity_before,
            sell_quantity_before,
            '{{ matched_within }}' as matched_within
        from {{ followed(stage) }}
        {{ 'union all' if not loop.last }}
    {% endfor %}

),

-- Each lot takes its part of both orders' fees; the parts of an order add up to its
-- fee.
priced as (

    select
        matched.buy_order_id,
        matched.sell_order_id,
        matched.matched_within,
        matched.quantity,
        buys.account,
        buys.currency,
        buys.symbol,
        buys.price as buy_price,
        sells.price as sell_price,
        buys.filled_at as bought_at,
        sells.filled_at as sold_at,
        {% for column in ['tag', 'exit_reason', 'leverage'] %}
            buys.{{ column }} as buy_{{ column }},
            sells.{{ column }} as sell_{{ column }},
        {% endfor %}
        (buys.filled_at, buys.order_id) < (sells.filled_at, sells.order_id) as is_long,
        {{ share_of_amount(
            'buys.fee', 'matched.buy_quantity_before', 'matched.quantity', 'buys.quantity'
        ) }} as buy_fees,
        {{ share_of_amount(
            'sells.fee', 'matched.sell_quantity_before', 'matched.quantity', 'sells.quantity'
        ) }} as sell_fees
    from matched
    inner join buys
        on matched.buy_order_id = buys.order_id
    inner join sells
        on matched.sell_order_id = sells.order_id

),

-- Sold less bought is the profit of either direction.
lots as (

    select
        case when is_long then buy_order_id else sell_order_id end as opening_order_id,
        case when is_long then sell_order_id else buy_order_id end as closing_order_id,
        buy_order_id,
        sell_order_id,
        account,
        currency,
        symbol,
        case when is_long then 'LONG' else 'SHORT' end as direction,
        matched_within,
        quantity,
        case when is_long then bought_at else sold_at end as entry_at,
        case when is_long then sold_at else bought_at end as exit_at,
        case when is_long then buy_price else sell_price end as entry_price,
        case when is_long then sell_price else buy_price end as exit_price,
        case when is_long then buy_tag else sell_tag end as entry_tag,
        case when is_long then sell_exit_reason else buy_exit_reason end as exit_reason,
        case when is_long then buy_leverage else sell_leverage end as leverage,
        cast(buy_fees + sell_fees as {{ type_money() }}) as fees,
        cast(
            {{ money_product(
                '(sell_price - buy_price)', 'quantity'
            ) }} - buy_fees - sell_fees
            as {{ type_money() }}
        ) as net_profit
    from priced

),

-- A lot belongs to the source of the order that opened it.
attributed_lots as (

    select
        lots.*,
        case sign(round(lots.net_profit, {{ account_decimals }}))
            when 1 then 'WIN'
            when -1 then 'LOSS'
            else 'BREAK_EVEN'
        end as result,
        attributed_orders.signal_id,
        attributed_orders.source_type,
        attributed_orders.source_name,
        attributed_orders.trade_plan_id,
        attributed_orders.planned_entry_price,
        attributed_orders.stop_price,
        attributed_orders.target_price,
        -- A stop that would end the trade at once, or in profit, is no measure of what
        -- was risked. It was never judged beside the quantity, as a fill's price was.
        cast(
            case
                when
                    attributed_orders.stop_price > 0
                    and {{ money_product(
                        'attributed_orders.stop_price', 'lots.quantity'
                    ) }}
                    < {{ money_limit() }}
                    and case lots.direction
                        when 'LONG' then attributed_orders.stop_price < lots.entry_price
                        else attributed_orders.stop_price > lots.entry_price
                    end
                    then
                        {{ money_product(
                            'abs(lots.entry_price - attributed_orders.stop_price)',
                            'lots.quantity'
                        ) }}
            end as {{ type_money() }}
        ) as risked_amount
    from lots
    inner join attributed_orders
        on lots.opening_order_id = attributed_orders.order_id

),

closed_lots as (

    select
        *,
        nullif(risked_amount, 0) as initial_risk,
        cast(net_profit as {{ type_double() }})
        / cast(nullif(risked_amount, 0) as {{ type_double() }}) as r_multiple
    from attributed_lots

)

select * from closed_lots {{ newest_together('closing_order_id') }}
