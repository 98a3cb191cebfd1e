-- Grain: a model version, a reason to retrain it and a UTC day of int_health_calendar,
-- with what was known by its end. Each day goes on from the day before.

{{ config(
    unique_key=['model_id', 'reason', 'health_date'],
    meta={
        'affected_by': 'model_id',
        'affected_from': 'health_date',
        'follows': {
            'int_health_calendar': 'model_id, health_date',
            'int_health_days': 'model_id, health_date',
            'int_health_totals': 'model_id, health_date',
            'int_health_references': 'model_id, in_force_from',
            'int_health_loss_clusters': 'model_id, health_date',
            'int_model_health': 'model_id, health_date'
        }
    },
    indexes=[{'columns': ['model_id', 'health_date']}]
) }}

{% set reasons = [
    'confidence_shift', 'signal_mix_shift', 'calibration', 'loss', 'skill', 'silence'
] %}

with recursive reasons as (

    {% for reason in reasons %}
        select cast('{{ reason }}' as {{ dbt.type_string() }}) as reason
        {{- ' union all' if not loop.last }}
    {% endfor %}

),

-- The day before the first one; no state is handed down to it.
first_days as (

    select
        calendar.model_id,
        min(calendar.health_date) - 1 as health_date
    from {{ ref('int_health_calendar') }} as calendar
    {% if is_from_changes() %}
        inner join affected
            on calendar.model_id = affected.model_id
        where not exists (
            select stored.model_id
            from {{ this }} as stored
            where
                stored.model_id = affected.model_id
                and stored.health_date < affected.from_health_date
        )
    {% endif %}
    group by calendar.model_id

),

before as (

    select
        first_days.model_id,
        reasons.reason,
        first_days.health_date,
        {{ trigger_state() }}
    from first_days
    cross join reasons
    {% if is_from_changes() %}
        union all

        select
            stored.model_id,
            stored.reason,
            stored.health_date,
            {{ trigger_state('stored') }}
        from affected
        cross join lateral {{ stored_before(reasons | length) }} as stored
    {% endif %}

),

days as (

    select
        *,
        true as is_kept
    from before

    union all

    select
        states.model_id,
        states.reason,
        calendar.health_date,
        {{ trigger_state('states') }},
        false as is_kept
    from days
    inner join {{ ref('int_health_calendar') }} as calendar
        on
            days.model_id = calendar.model_id
            and days.health_date + 1 = calendar.health_date
    {{ trigger_step('days', 'calendar') }}

),

int_trigger_days as (

    select
        days.model_id,
        days.reason,
        days.health_date,
        {{ trigger_state('days') }}
    from days
    where not days.is_kept

)

select * from int_trigger_days
