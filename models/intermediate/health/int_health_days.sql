-- Grain: a model version and a UTC day on which a signal of it, an outcome or the loss
-- of a forecast was known.

{{ config(
    unique_key=['model_id', 'health_date'],
    meta={
        'follows': {
            'stg_ai__trading_signals': 'model_id, ' ~ utc_date('available_at'),
            'int_signal_outcomes': 'model_id, ' ~ utc_date('available_at'),
            'int_ensemble_losses': 'expert_number / 2, resolved_date'
        }
    }
) }}

{% set of_the_day %}
    {{- 'stored.model_id = affected.model_id and '
        ~ is_on_date('stored.available_at', 'affected.health_date') }}
{% endset %}

with signals as (

    select
        model_id,
        {{ utc_date('available_at') }} as health_date,
        {{ confidence_bin('confidence') }} as confidence_bin,
        signal_type
    from {{ followed('stg_ai__trading_signals', where=of_the_day) }}

),

-- In numerics, whose sums do not depend on the order of the signals.
outcomes as (

    select
        model_id,
        {{ utc_date('available_at') }} as health_date,
        {{ confidence_bin('confidence') }} as confidence_bin,
        cast(0.5 + confidence / 2 as numeric(18, 12))
        - case when is_win then 1 else 0 end as missed
    from {{ followed('int_signal_outcomes', where=of_the_day) }}

),

losses as (

    select
        {{ whole_quotient('expert_number', '2') }} as model_id,
        resolved_date as health_date,
        forecasts,
        excess_loss
    from {{ followed(
        'int_ensemble_losses',
        where='stored.expert_number = 2 * affected.model_id'
            ~ ' and stored.resolved_date = affected.health_date'
    ) }}
    where mod(expert_number, 2) = 0

),

daily_signals as (

    select
        model_id,
        health_date,
        count(*) as signals,
        {% for bin in range(1, 11) %}
            count(*) filter (where confidence_bin = {{ bin }}) as signals_{{ bin }},
        {% endfor %}
    {% for type in ['BUY', 'SELL', 'HOLD'] %}
        count(*) filter (where signal_type = '{{ type }}')
            as {{ type | lower }}_signals
        {{- "," if not loop.last }}
    {% endfor %}
    from signals
    group by model_id, health_date

),

daily_outcomes as (

    select
        model_id,
        health_date,
        count(*) as outcomes,
        {% for bin in range(1, 11) %}
            sum(missed) filter (where confidence_bin = {{ bin }}) as missed_{{ bin }},
        {% endfor %}
        sum(missed * missed) as squared_errors
    from outcomes
    group by model_id, health_date

),

daily_losses as (

    select
        model_id,
        health_date,
        sum(forecasts) as forecasts,
        sum(excess_loss) as excess_loss
    from losses
    group by model_id, health_date

),

keys as (

    {% for relation in ['daily_signals', 'daily_outcomes', 'daily_losses'] %}
        select
            model_id,
            health_date
        from {{ relation }}

        {{ 'union distinct' if not loop.last }}
    {% endfor %}

),

int_health_days as (

    select
        keys.model_id,
        keys.health_date,
    {% for name, type in health_sums() %}
        cast(coalesce({{ name }}, 0) as {{ type }}) as {{ name }}
        {{- "," if not loop.last }}
    {% endfor %}
    from keys
    {% for relation in ['daily_signals', 'daily_outcomes', 'daily_losses'] %}
        left join {{ relation }}
            on
                keys.model_id = {{ relation }}.model_id
                and keys.health_date = {{ relation }}.health_date
    {% endfor %}

)

select * from int_health_days
