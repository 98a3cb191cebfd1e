-- Grain: a model version and a UTC day of int_health_calendar, with the sums of all
-- days up to it: those of a span of days are a difference of two rows.

{{ config(
    unique_key=['model_id', 'health_date'],
    meta={
        'affected_by': 'model_id',
        'affected_from': 'health_date',
        'follows': {
            'int_health_calendar': 'model_id, health_date',
            'int_health_days': 'model_id, health_date'
        }
    }
) }}

{% set counted = ['signals', 'outcomes', 'forecasts'] %}

with calendar as (

    select *
    from {{ followed('int_health_calendar') }}

),

daily as (

    select *
    from {{ followed('int_health_days') }}

),

days as (

    select
        calendar.model_id,
        calendar.health_date,
        {% for name, type in health_sums() %}
            coalesce(daily.{{ name }}, 0) as {{ name }},
        {% endfor %}
        {% for name in counted %}
            case when daily.{{ name }} > 0 then 1 else 0 end as days_with_{{ name }},
        {% endfor %}
        case when daily.signals > 0 then daily.health_date end as last_signal_date,
        false as is_kept
    from calendar
    left join daily
        on
            calendar.model_id = daily.model_id
            and calendar.health_date = daily.health_date
    {% if is_from_changes() %}
        union all

        select
            stored.model_id,
            stored.health_date,
            {% for name, type in health_sums() %}
                stored.{{ name }},
            {% endfor %}
            {% for name in counted %}
                stored.days_with_{{ name }},
            {% endfor %}
            stored.last_signal_date,
            true as is_kept
        from affected
        cross join lateral {{ stored_before() }} as stored
    {% endif %}

),

summed as (

    select
        model_id,
        health_date,
        {% for name, type in health_sums() %}
            cast(sum({{ name }}) over so_far as {{ type }}) as {{ name }},
        {% endfor %}
        {% for name in counted %}
            cast(sum(days_with_{{ name }}) over so_far as bigint)
                as days_with_{{ name }},
        {% endfor %}
        max(last_signal_date) over so_far as last_signal_date,
        is_kept
    from days
    window
        so_far as (
            partition by model_id
            order by health_date
            rows between unbounded preceding and current row
        )

),

int_health_totals as (

    select
        model_id,
        health_date,
        {% for name, type in health_sums() %}
            {{ name }},
        {% endfor %}
        {% for name in counted %}
            days_with_{{ name }},
        {% endfor %}
        last_signal_date
    from summed
    where not is_kept

)

select * from int_health_totals
