-- Grain: a change or deletion of a stored signal. Times are UTC.

{# What the signal held before may be what no mart can use: it is NULL here, and the
edit stays. #}
{% set actions = {'UPDATE': [], 'DELETE': []} %}
{% set rules = [
    ['signal_id', 'present'],
    ['action', 'present'],
    ['action', 'word', actions],
    ['edited_at', 'present'],
    ['edited_at', 'moment'],
    ['edited_by', 'present'],
    ['model_id', 'present'],
    ['changes', 'present'],
] %}
{% set is_time -%}
    between {{ earliest_moment() }} and {{ end_of_time() }}
{%- endset %}

{{ config(
    unique_key='edit_id',
    meta={'landing_key': ['id'], 'rules': rules},
    indexes=[
        {'columns': ['signal_id']},
        {'columns': ['idempotency_key'], 'type': 'hash'},
        {'columns': ['model_id', 'symbol', 'created_at']}
    ]
) }}

with source as (

    {{ usable_rows(source('ai', 'ai_signal_edits'), rules) }}

),

renamed as (

    select
        -- ids
        id as edit_id,
        signal_id,
        model_id,

        -- strings
        cast({{ known_word('action', actions) }} as {{ dbt.type_string() }}) as action,
        edited_by,
        cast({{ trimmed('symbol') }} as {{ dbt.type_string() }}) as symbol,
        signal_type,
        cast(idempotency_key as {{ dbt.type_string() }}) as idempotency_key,
        changes as changed_values,

        -- numerics
        case
            when confidence >= 0 and confidence <= 1
                then cast(confidence as {{ type_double() }})
        end as confidence,
        {% for price in ['price_target', 'stop_loss', 'take_profit'] %}
            case
                when abs({{ price }}) < {{ money_limit() }}
                    then cast({{ price }} as {{ type_money() }})
            end as {{ price }},
        {% endfor %}

        -- timestamps
        {% for moment in ['created_at', 'expires_at', 'imported_at', 'stored_at'] %}
            case
                when {{ moment }} {{ is_time }} then {{ moment }}
            end as {{ moment }},
        {% endfor %}
        edited_at
    from source

)

select * from renamed
