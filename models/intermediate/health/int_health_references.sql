-- Grain: a model version, a day on which it became champion or was new, and a kind of
-- facts, with the days that later ones are compared with. Days are UTC.

{% set facts = var('health_reference_signals') | int(1) %}
{% set days = var('health_reference_days') | int(1) %}

{{ config(
    unique_key=['model_id', 'kind', 'epoch_date'],
    meta={'follows': 'whole'}
) }}

-- A version's first stage counts from the beginning.
with epochs as (

    select
        model_id,
        counts_from_date as epoch_date
    from {{ ref('int_model_stages') }}
    where stage = 'champion'

    union distinct

    select
        model_id,
        cast('1970-01-01' as date) as epoch_date
    from {{ ref('int_ensemble_experts') }}
    where expert_type = 'model'

),

-- The last days that were known when it became champion, where they hold enough; else
-- the first days that do.
spans as (

    {% for kind in ['signals', 'outcomes', 'forecasts'] %}
        select
            epochs.model_id,
            '{{ kind }}' as kind,
            epochs.epoch_date,
            case
                when last_days.health_date is null then first_days.first_date
                else coalesce(before.health_date + 1, first_days.first_date)
            end as first_date,
            coalesce(last_days.health_date, first_days.last_date) as last_date
        from epochs
        inner join lateral (
            select
                min(stored.health_date) as first_date,
                min(stored.health_date) filter (
                    where
                    stored.{{ kind }} >= {{ facts }}
                    and stored.days_with_{{ kind }} >= {{ days }}
                ) as last_date
            from {{ ref('int_health_totals') }} as stored
            where stored.model_id = epochs.model_id
        ) as first_days on true
        left join lateral (
            select stored.*
            from {{ ref('int_health_totals') }} as stored
            where
                stored.model_id = epochs.model_id
                and stored.health_date = epochs.epoch_date - 1
                and stored.{{ kind }} >= {{ facts }}
                and stored.days_with_{{ kind }} >= {{ days }}
            {{ kept_apart() }}
        ) as last_days on true
        left join lateral (
            select stored.health_date
            from {{ ref('int_health_totals') }} as stored
            where
                stored.model_id = epochs.model_id
                and stored.health_date <= last_days.health_date
                and stored.{{ kind }} <= last_days.{{ kind }} - {{ facts }}
                and stored.days_with_{{ kind }}
                <= last_days.days_with_{{ kind }} - {{ days }}
            order by stored.health_date desc
            limit 1
        ) as before on true
        {{ 'union all' if not loop.last }}
    {% endfor %}

),

int_health_references as (

    select
        spans.model_id,
        cast(spans.kind as {{ dbt.type_string() }}) as kind,
        spans.epoch_date,
        spans.first_date,
        spans.last_date,
        greatest(spans.epoch_date, spans.last_date + 1) as in_force_from,
    {% for name, type in health_sums() %}
        cast(
            last_totals.{{ name }} - coalesce(totals_before.{{ name }}, 0) as {{ type }}
        ) as {{ name }}
        {{- "," if not loop.last }}
    {% endfor %}
    from spans
    inner join {{ ref('int_health_totals') }} as last_totals
        on
            spans.model_id = last_totals.model_id
            and spans.last_date = last_totals.health_date
    left join {{ ref('int_health_totals') }} as totals_before
        on
            spans.model_id = totals_before.model_id
            and spans.first_date - 1 = totals_before.health_date

)

select * from int_health_references
