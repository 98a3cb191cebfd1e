-- Grain: a model and a UTC day on which it gave a signal.

{{ config(
    unique_key=['model_id', 'signal_date'],
    pre_hook="{{ prefer_sorts() }}"
) }}

with signals as (

    select *
    from {{ followed(
        'stg_ai__trading_signals',
        where='stored.model_id = affected.model_id and '
            ~ is_on_date('stored.created_at', 'affected.signal_date')
    ) }}

),

-- A model's position in a symbol is the direction of its last signal. The first signal
-- moves nothing.
{% set position
    = "case {}signal_type when 'BUY' then 1 when 'SELL' then -1 else 0 end"
%}

moves as (

    select
        model_id,
        {{ utc_date('created_at') }} as signal_date,
        abs(
            {{ position.format('') }}
            {% if is_from_changes() %}
                - (
                    select {{ position.format('previous.') }}
                    from {{ ref('stg_ai__trading_signals') }} as previous
                    where
                        previous.model_id = signals.model_id
                        and previous.symbol = signals.symbol
                        and (previous.created_at, previous.signal_id)
                        < (signals.created_at, signals.signal_id)
                    order by previous.created_at desc, previous.signal_id desc
                    limit 1
                )
            {% else %}
                - lag({{ position.format('') }}) over (
                    partition by model_id, symbol
                    order by created_at, signal_id
                )
            {% endif %}
        ) as position_change
    from signals
    {{ kept_apart() if is_from_changes() }}

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
