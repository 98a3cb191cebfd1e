-- Grain: a signal. Times are UTC.

{{ config(
    unique_key='signal_id',
    meta={'landing_key': ['id']},
    indexes=[
        {'columns': ['symbol', 'created_at']},
        {'columns': ['symbol', 'available_at']},
        {'columns': ['trade_plan_id']},
        {'columns': ['pattern_id']},
        {'columns': ['model_id', 'created_at']},
        {'columns': ['model_id', 'available_at']},
        {'columns': ['model_id', 'symbol', 'created_at', 'signal_id']},
        {'columns': ['(' ~ utc_date('created_at') ~ ')']},
        {'columns': ['(' ~ lifetime_hours() ~ ')']}
    ]
) }}

with source as (

    select *
    from {{ source('ai', 'ai_trading_signals') }}
    {{ where_affected('id', 'signal_id') }}

),

renamed as (

    select
        -- ids
        id as signal_id,
        model_id,
        pattern_id,
        trade_plan_id,

        -- strings
        cast(symbol as {{ dbt.type_string() }}) as symbol,
        cast(upper(signal_type) as {{ dbt.type_string() }}) as signal_type,
        cast(upper(status) as {{ dbt.type_string() }}) as signal_status,
        cast(idempotency_key as {{ dbt.type_string() }}) as idempotency_key,
        metadata as signal_metadata,

        -- numerics
        cast(confidence as {{ type_double() }}) as confidence,
        cast(price_target as {{ type_money() }}) as price_target,
        cast(stop_loss as {{ type_money() }}) as stop_loss,
        cast(take_profit as {{ type_money() }}) as take_profit,

        -- timestamps
        created_at,
        updated_at,
        expires_at,
        coalesce(
            expires_at,
            created_at
            + {{ var('signal_lifetime_minutes') }} * interval '1 minute'
        ) as valid_until_at,
        greatest(created_at, coalesce(imported_at, created_at)) as available_at
    from source

)

select * from renamed
