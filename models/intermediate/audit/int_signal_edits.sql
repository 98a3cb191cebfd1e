-- Grain: a change of a signal, or its deletion unless the same was stored again. Times
-- are UTC.

{{ config(
    unique_key='edit_id',
    meta={
        'follows': {
            'stg_ai__signal_edits': 'edit_id',
            'stg_ai__trading_signals': [
                through('stg_ai__signal_edits', 'signal_id', keys='edit_id'),
                through('stg_ai__signal_edits', 'idempotency_key', keys='edit_id'),
                through(
                    'stg_ai__signal_edits',
                    'model_id, symbol, created_at',
                    keys='edit_id'
                )
            ]
        }
    },
    pre_hook="{{ prefer_index_lookups() }}"
) }}

with edits as (

    select
        edit_id,
        signal_id,
        action,
        edited_by,
        edited_at,
        changed_values,
        model_id,
        symbol,
        upper(signal_type) as signal_type,
        idempotency_key,
        confidence,
        price_target,
        stop_loss,
        take_profit,
        expires_at,
        created_at,
        greatest(created_at, coalesce(imported_at, created_at)) as known_at
    from {{ followed('stg_ai__signal_edits') }}

),

signals as (

    select * from {{ ref('stg_ai__trading_signals') }}

),

-- A deleted signal's id or key is another one's only if that one was stored later.
stored_again as (

    {% for condition in [
        'edits.signal_id = signals.signal_id',
        'edits.idempotency_key = signals.idempotency_key',
        'edits.model_id = signals.model_id'
        ~ ' and edits.symbol = signals.symbol'
        ~ ' and edits.created_at = signals.created_at'
        ~ ' and edits.edited_at <= signals.stored_at'
    ] %}
        select
            edits.edit_id,
            signals.signal_id,
            case
                when
                    edits.model_id <> signals.model_id
                    {% for column in [
                        'symbol', 'signal_type', 'confidence', 'price_target', 'stop_loss',
                        'take_profit', 'expires_at', 'created_at'
                    ] %}
                        or (edits.{{ column }} is distinct from signals.{{ column }})
                    {% endfor %}
                    then 1
                else 0
            end as differences
        from edits
        inner join signals
            on {{ condition }}
        where edits.action = 'DELETE'
        {{ 'union' if not loop.last }}
    {% endfor %}

),

-- The newest of them, should there be several.
judged as (

    select
        edit_id,
        max(signal_id) as other_signal_id,
        min(differences) = 1 as is_other
    from stored_again
    group by edit_id

),

signal_edits as (

    select
        edits.edit_id,
        edits.signal_id,
        case
            when edits.action = 'UPDATE' then 'edited'
            when judged.is_other then 'replaced'
            else 'deleted'
        end as finding_kind,
        cast(concat(
            case
                when edits.action = 'UPDATE'
                    then cast(edits.changed_values as {{ dbt.type_string() }})
                when judged.is_other
                    then concat('stored again as signal ', judged.other_signal_id)
                else edits.signal_type
            end,
            ', by ',
            edits.edited_by
        ) as {{ dbt.type_string() }}) as evidence,
        edits.model_id,
        edits.symbol,
        edits.created_at as signal_at,
        edits.known_at,
        edits.edited_at
    from edits
    left join judged
        on edits.edit_id = judged.edit_id
    where coalesce(judged.is_other, true)

)

select * from signal_edits
