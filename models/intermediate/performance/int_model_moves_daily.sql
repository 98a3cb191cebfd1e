-- Grain: a model and a UTC day on which it gave a signal.

{{ config(
    materialized='incremental',
    unique_key=['model_id', 'signal_date']
) }}

with signals as (

    select signals.*
    from {{ ref('stg_ai__trading_signals') }} as signals
    {% if is_from_changes() %}
        inner join affected
            on
                signals.model_id = affected.model_id
                and signals.created_at >= {{ utc_midnight('affected.signal_date') }}
                and signals.created_at < {{ utc_midnight('affected.signal_date + 1') }}
    {% endif %}

),

typed_signals as (

    select
        model_id,
        created_at,
        signal_type,
        {% if is_from_changes() %}
            (
                select previous.signal_type
                from {{ ref('stg_ai__trading_signals') }} as previous
                where
                    previous.model_id = signals.model_id
                    and previous.symbol = signals.symbol
                    and (previous.created_at, previous.signal_id)
                    < (signals.created_at, signals.signal_id)
                order by previous.created_at desc, previous.signal_id desc
                limit 1
            ) as previous_type
        {% else %}
            lag(signal_type) over (
                partition by model_id, symbol
                order by created_at, signal_id
            ) as previous_type
        {% endif %}
    from signals

),

-- A model's position in a symbol is what its last signal said. The first one moves
-- nothing.
moves as (

    select
        model_id,
        {{ utc_date('created_at') }} as signal_date,
        case
            when previous_type is not null
                then abs(
                    case signal_type when 'BUY' then 1 when 'SELL' then -1 else 0 end
                    - case previous_type when 'BUY' then 1 when 'SELL' then -1 else 0 end
                )
        end as position_change
    from typed_signals

),

daily_moves as (

    select
        model_id,
        signal_date,
        count(position_change) as moves,
        sum(position_change) as position_change
    from moves
    group by model_id, signal_date

)

select * from daily_moves
