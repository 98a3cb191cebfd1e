-- Grain: an order, with what was filled of it. Times are UTC.

{{ config(
    unique_key='order_id',
    meta={'landing_key': ['id']},
    indexes=[
        {'columns': ['symbol', 'created_at']},
        {'columns': ['trade_plan_id']}
    ]
) }}

with source as (

    select *
    from {{ source('platform', 'trading_orders') }}
    {{ where_affected('id', 'order_id') }}

),

renamed as (

    select
        -- ids
        id as order_id,
        trade_plan_id,

        -- strings
        cast(symbol as {{ dbt.type_string() }}) as symbol,
        cast(upper(side) as {{ dbt.type_string() }}) as side,
        cast(upper(status) as {{ dbt.type_string() }}) as order_status,

        -- numerics
        cast(quantity as {{ type_money() }}) as quantity,
        cast(price as {{ type_money() }}) as price,
        cast(coalesce(filled_quantity, 0) as {{ type_money() }}) as filled_quantity,
        cast(filled_price as {{ type_money() }}) as filled_price,
        cast(coalesce(fee, 0) as {{ type_money() }}) as fee,

        -- timestamps
        created_at,
        filled_at,
        -- The order, not its fill: what was filled is known at filled_at.
        created_at as available_at
    from source

)

select * from renamed
