-- Grain: a plan to trade. Times are UTC.

{% set rules = [
    ['id', 'key'],
    ['symbol', 'symbol'],
    ['strategy', 'label'],
    ['entry_price_target', 'money'],
    ['stop_loss_price', 'money'],
    ['take_profit_1_price', 'money'],
    ['account', 'name'],
    ['currency', 'name'],
    ['created_at', 'moment'],
] %}

{{ config(
    unique_key='trade_plan_id',
    meta={'landing_key': ['id'], 'rules': rules}
) }}

with source as (

    {{ usable_rows(source('platform', 'trade_plans'), rules) }}

),

renamed as (

    select
        -- ids
        id as trade_plan_id,

        -- strings
        cast({{ trimmed('symbol') }} as {{ dbt.type_string() }}) as symbol,
        cast(strategy as {{ dbt.type_string() }}) as strategy,
        cast({{ name_or_main('account') }} as {{ dbt.type_string() }}) as account,
        cast({{ name_or_main('currency') }} as {{ dbt.type_string() }}) as currency,

        -- numerics
        cast(entry_price_target as {{ type_money() }}) as entry_price_target,
        cast(stop_loss_price as {{ type_money() }}) as stop_loss_price,
        cast(take_profit_1_price as {{ type_money() }}) as take_profit_price,

        -- timestamps
        created_at,
        created_at as available_at
    from source

)

select * from renamed
