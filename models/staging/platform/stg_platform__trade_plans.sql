-- Grain: a plan to trade. Times are UTC.

{{ config(
    unique_key='trade_plan_id',
    meta={'landing_key': ['id']}
) }}

with source as (

    select *
    from {{ source('platform', 'trade_plans') }}
    {{ where_affected('id', 'trade_plan_id') }}

),

renamed as (

    select
        -- ids
        id as trade_plan_id,

        -- strings
        cast(symbol as {{ dbt.type_string() }}) as symbol,
        cast(strategy as {{ dbt.type_string() }}) as strategy,

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
