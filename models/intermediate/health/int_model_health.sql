-- Grain: a model version and a UTC day, every one from its registration or first signal
-- to the last closed day, with what was known by its end.

{% set window_days = var('health_window_days') | int(1) %}

{{ config(
    unique_key=['model_id', 'health_date'],
    meta={
        'affected_by': 'model_id',
        'affected_from': 'health_date',
        'follows': {
            'int_health_calendar': 'model_id, health_date',
            'int_health_totals': 'model_id, health_date',
            'int_health_references': 'model_id, in_force_from',
            'int_health_rank_ics': 'model_id, health_date',
            'int_health_training_days': 'model_id, health_date'
        }
    }
) }}

with calendar as (

    select *
    from {{ followed('int_health_calendar') }}

),

windows as (

    select
        calendar.model_id,
        calendar.health_date,
        calendar.stage,
        totals.last_signal_date,
        totals.signals - coalesce(day_before.signals, 0) as signals_of_day,
        totals.outcomes - coalesce(day_before.outcomes, 0) as outcomes_of_day,
    {% for name, type in health_sums() %}
        totals.{{ name }} - coalesce(totals_before.{{ name }}, 0) as {{ name }}
        {{- "," if not loop.last }}
    {% endfor %}
    from calendar
    inner join {{ ref('int_health_totals') }} as totals
        on
            calendar.model_id = totals.model_id
            and calendar.health_date = totals.health_date
    left join {{ ref('int_health_totals') }} as day_before
        on
            calendar.model_id = day_before.model_id
            and calendar.health_date - 1 = day_before.health_date
    left join {{ ref('int_health_totals') }} as totals_before
        on
            calendar.model_id = totals_before.model_id
            and calendar.health_date - {{ window_days }} = totals_before.health_date

),

{% set confidences, mix = [], [] %}
{% for relation in ['windows', 'reference_signals'] %}
    {% do confidences.append([]) %}
    {% for bin in range(1, 11) %}
        {% do confidences[-1].append(relation ~ '.signals_' ~ bin) %}
    {% endfor %}
    {% do mix.append([]) %}
    {% for type in ['buy', 'sell', 'hold'] %}
        {% do mix[-1].append(relation ~ '.' ~ type ~ '_signals') %}
    {% endfor %}
{% endfor %}

int_model_health as (

    select
        windows.model_id,
        windows.health_date,
        windows.stage,
        windows.signals_of_day as signals,
        windows.outcomes_of_day as resolved,
        windows.signals as window_signals,
        windows.outcomes as window_resolved,
        windows.forecasts as window_forecasts,
        reference_signals.first_date as reference_first_date,
        reference_signals.last_date as reference_last_date,
        {% for name, cells in [('confidence', confidences), ('signal_mix', mix)] %}
            {{ stability_index(
                cells[0], 'windows.signals', cells[1], 'reference_signals.signals'
            ) | indent(12) }} as psi_{{ name }},
        {% endfor %}
        {% for prefix, outcomes, forecasts in [
            ('', 'windows', 'windows'),
            ('reference_', 'reference_outcomes', 'reference_forecasts')
        ] %}
            cast({{ outcomes }}.squared_errors as {{ type_double() }})
            / nullif({{ outcomes }}.outcomes, 0) as {{ prefix }}brier_score,
            {{ calibration_error(outcomes) }} as {{ prefix }}expected_calibration_error,
            cast({{ forecasts }}.excess_loss as {{ type_double() }})
            / nullif({{ forecasts }}.forecasts, 0) as {{ prefix }}excess_loss,
        {% endfor %}
        rank_ics.rank_ic,
        rank_ics.rank_ic_lower,
        rank_ics.rank_ic_upper,
        rank_ics.rank_ic_over,
        coalesce(rank_ics.rank_ic_days, 0) as rank_ic_days,
        windows.last_signal_date,
        trained.last_training_date
    from windows
    {% for kind in ['signals', 'outcomes', 'forecasts'] %}
        left join lateral (
            select stored.*
            from {{ ref('int_health_references') }} as stored
            where
                stored.model_id = windows.model_id
                and stored.kind = '{{ kind }}'
                and stored.in_force_from <= windows.health_date
            order by stored.epoch_date desc
            limit 1
        ) as reference_{{ kind }} on true
    {% endfor %}
    left join {{ ref('int_health_rank_ics') }} as rank_ics
        on
            windows.model_id = rank_ics.model_id
            and windows.health_date = rank_ics.health_date
    left join lateral (
        select stored.health_date as last_training_date
        from {{ ref('int_health_training_days') }} as stored
        where
            stored.model_id = windows.model_id
            and stored.health_date <= windows.health_date
        order by stored.health_date desc
        limit 1
    ) as trained on true

)

select * from int_model_health
