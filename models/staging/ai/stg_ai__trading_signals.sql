-- Grain: a signal. Times are UTC.

{% set signal_types = {'BUY': [], 'SELL': [], 'HOLD': []} %}
{% set signal_statuses = {'ACTIVE': [], 'EXECUTED': [], 'EXPIRED': []} %}
{% set rules = [
    ['model_id', 'present'],
    ['symbol', 'present'],
    ['symbol', 'symbol'],
    ['signal_type', 'present'],
    ['signal_type', 'word', signal_types],
    ['confidence', 'present'],
    ['confidence', 'share'],
    ['price_target', 'money'],
    ['stop_loss', 'money'],
    ['take_profit', 'money'],
    ['status', 'present'],
    ['status', 'word', signal_statuses],
    ['expires_at', 'expiry'],
    ['created_at', 'present'],
    ['created_at', 'moment'],
    ['updated_at', 'moment'],
    ['imported_at', 'moment'],
    ['stored_at', 'moment'],
] %}

{# A key older than its limit may be too long for a B-tree. #}
{{ config(
    unique_key='signal_id',
    meta={'landing_key': ['id'], 'rules': rules},
    indexes=[
        {'columns': ['symbol', 'created_at']},
        {'columns': ['symbol', 'available_at']},
        {'columns': ['trade_plan_id']},
        {'columns': ['idempotency_key'], 'type': 'hash'},
        {'columns': ['pattern_id']},
        {'columns': ['model_id', 'created_at']},
        {'columns': ['model_id', 'available_at']},
        {'columns': ['model_id', 'symbol', 'created_at', 'signal_id']},
        {'columns': ['(' ~ utc_date('created_at') ~ ')']},
        {'columns': ['(' ~ lifetime_hours() ~ ')']}
    ]
) }}

with source as (

    {{ usable_rows(source('ai', 'ai_trading_signals'), rules) }}

),

renamed as (

    select
        -- ids
        id as signal_id,
        model_id,
        pattern_id,
        trade_plan_id,

        -- strings
        cast({{ trimmed('symbol') }} as {{ dbt.type_string() }}) as symbol,
        cast(
            {{ known_word('signal_type', signal_types) }} as {{ dbt.type_string() }}
        ) as signal_type,
        cast(
            {{ known_word('status', signal_statuses) }} as {{ dbt.type_string() }}
        ) as signal_status,
        cast(idempotency_key as {{ dbt.type_string() }}) as idempotency_key,
        stored_by,
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
        stored_at,
        coalesce(
            expires_at,
            created_at
            + {{ var('signal_lifetime_minutes') }} * interval '1 minute'
        ) as valid_until_at,
        greatest(created_at, coalesce(imported_at, created_at)) as available_at
    from source

)

select * from renamed
