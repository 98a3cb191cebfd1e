-- Grain: an order, with its filled quantity. Times are UTC.

{# The words that the marts know, and how else the platform spells them. #}
{% set sides = {'BUY': [], 'SELL': []} %}
{% set statuses = {
    'NEW': [],
    'PARTIALLY_FILLED': ['PARTIALLY FILLED'],
    'FILLED': [],
    'CANCELLED': ['CANCELED'],
    'REJECTED': [],
} %}
{% set has_price -%}
    filled_quantity <= 0
    or abs(coalesce(filled_price, price, 0))
    >= power(10.0, -{{ var('money_decimals') | int(1) }})
{%- endset %}
{% set has_fill = 'filled_quantity > 0 or fee = 0' %}
{% set is_amount_small -%}
    case
        when
            abs(filled_quantity) < {{ money_limit() }}
            and abs(coalesce(filled_price, price)) < {{ money_limit() }}
            then
                abs({{ money_product('filled_quantity', 'coalesce(filled_price, price)') }})
                < {{ money_limit() }}
        else true
    end
{%- endset %}
{% set rules = [
    ['id', 'key'],
    ['trade_plan_id', 'key'],
    ['symbol', 'present'],
    ['symbol', 'symbol'],
    ['side', 'present'],
    ['side', 'word', sides],
    ['quantity', 'money'],
    ['price', 'money'],
    ['filled_quantity', 'money'],
    ['filled_quantity', 'not_negative'],
    ['filled_quantity', 'holds', is_amount_small, 'at its price an amount of money that is too large'],
    ['filled_price', 'money'],
    ['filled_quantity', 'holds', has_price, 'filled without a price'],
    ['fee', 'money'],
    ['fee', 'holds', has_fill, 'a fee, and nothing was filled'],
    ['status', 'word', statuses],
    ['account', 'name'],
    ['currency', 'name'],
    ['tag', 'label'],
    ['exit_reason', 'label'],
    ['leverage', 'money'],
    ['created_at', 'present'],
    ['created_at', 'moment'],
    ['filled_at', 'moment'],
] %}

{{ config(
    unique_key='order_id',
    meta={'landing_key': ['id'], 'rules': rules},
    indexes=[
        {'columns': ['symbol', 'created_at']},
        {'columns': ['trade_plan_id']},
        {'columns': ['signal_key']}
    ]
) }}

with source as (

    {{ usable_rows(source('platform', 'trading_orders'), rules) }}

),

renamed as (

    select
        -- ids
        id as order_id,
        trade_plan_id,

        -- strings
        cast({{ trimmed('symbol') }} as {{ dbt.type_string() }}) as symbol,
        cast({{ known_word('side', sides) }} as {{ dbt.type_string() }}) as side,
        cast(
            {{ known_word('status', statuses) }} as {{ dbt.type_string() }}
        ) as order_status,
        cast({{ name_or_main('account') }} as {{ dbt.type_string() }}) as account,
        cast({{ name_or_main('currency') }} as {{ dbt.type_string() }}) as currency,
        cast(tag as {{ dbt.type_string() }}) as tag,
        cast(exit_reason as {{ dbt.type_string() }}) as exit_reason,
        -- A text that is no key, however long, leaves the order usable.
        case
            when length({{ trimmed('signal_key') }}) between 1 and 200
                then cast({{ trimmed('signal_key') }} as {{ dbt.type_string() }})
        end as signal_key,

        -- numerics
        cast(quantity as {{ type_money() }}) as quantity,
        cast(price as {{ type_money() }}) as price,
        cast(coalesce(filled_quantity, 0) as {{ type_money() }}) as filled_quantity,
        cast(filled_price as {{ type_money() }}) as filled_price,
        cast(coalesce(fee, 0) as {{ type_money() }}) as fee,
        cast(leverage as {{ type_money() }}) as leverage,

        -- timestamps
        created_at,
        filled_at,
        -- The order, not its fill: the fill is known at filled_at.
        created_at as available_at
    from source

)

select * from renamed
