-- Grain: a buy and a sell of the same account, currency and symbol that share units
-- which their trade plans left unmatched. No times. All fills before the first changed
-- one are matched as before, so only later matches differ.

{{ config(
    unique_key=['buy_order_id', 'sell_order_id'],
    meta={
        'affected_by': ['account', 'currency', 'symbol'],
        'affected_after': 'last_unit',
        'follows': {
            'int_fills_left_by_plans': 'account, currency, symbol, last_unit - quantity'
        }
    },
    indexes=[
        {'columns': ['symbol', 'account', 'currency', 'last_unit']},
        {'columns': ['sell_order_id']}
    ],
    pre_hook="{{ avoid_nested_loops() }}"
) }}

{% set from_unit = 'cast(0 as ' ~ type_money() ~ ')' %}
{% if is_from_changes() %}
    {% set from_unit = 'affected.after_last_unit' %}
{% endif %}

with numbered_fills as (

    select
        fills.*,
        {{ from_unit }} as from_unit
    from {{ ref('int_fills_left_by_plans') }} as fills
    {% if is_from_changes() %}
        inner join affected
            on
                fills.account = affected.account
                and fills.currency = affected.currency
                and fills.symbol = affected.symbol
                and fills.last_unit > affected.after_last_unit
    {% endif %}

),

matched_rest as (

    {{ match_units('numbered_fills', ['account', 'currency', 'symbol']) }}

),

matched_fills as (

    select
        matched_rest.account,
        matched_rest.currency,
        matched_rest.symbol,
        matched_rest.buy_order_id,
        matched_rest.sell_order_id,
        matched_rest.last_unit,
        matched_rest.quantity,
        cast(
            matched_rest.buy_quantity_before + buys.matched_quantity
            as {{ type_money() }}
        ) as buy_quantity_before,
        cast(
            matched_rest.sell_quantity_before + sells.matched_quantity
            as {{ type_money() }}
        ) as sell_quantity_before
    from matched_rest
    inner join numbered_fills as buys
        on matched_rest.buy_order_id = buys.order_id
    inner join numbered_fills as sells
        on matched_rest.sell_order_id = sells.order_id

)

select * from matched_fills
