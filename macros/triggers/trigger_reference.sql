{#
    The joins for a reason's reference as of a day: `started`, its first day and whether it is new;
    `completed`, its last day once it holds enough; and running totals at its two ends and at those of the window.
    Of a new champion, or anew from the first breach of an alarm.

    yesterday: the relation of the day before, with trigger_state().
    day: an expression for the day.
#}
{% macro trigger_reference(yesterday, day) -%}
    {%- set totals = ref('int_health_totals') -%}
    {%- set reason = yesterday ~ '.reason' -%}
    {%- set of_model = yesterday ~ '.model_id' -%}
    {%- set window_days = var('health_window_days') -%}
    left join lateral (
        select
            stored.first_date,
            stored.last_date
        from {{ ref('int_health_references') }} as stored
        where
            stored.model_id = {{ of_model }}
            and stored.in_force_from = {{ day }}
            and stored.kind = case
                when {{ reason }} in ('confidence_shift', 'signal_mix_shift')
                    then 'signals'
                when {{ reason }} = 'calibration' then 'outcomes'
                when {{ reason }} = 'loss' then 'forecasts'
            end
        order by stored.epoch_date desc
        limit 1
    ) as renewed on true
    cross join lateral (
        select
            renewed.last_date is not null or {{ yesterday }}.is_alarm as is_new,
            coalesce(
                renewed.first_date,
                case
                    when {{ yesterday }}.is_alarm then {{ yesterday }}.first_breach_date
                    else {{ yesterday }}.reference_first_date
                end
            ) as first_date,
            coalesce(
                renewed.last_date,
                case
                    when not {{ yesterday }}.is_alarm
                        then {{ yesterday }}.reference_last_date
                end
            ) as last_date
    ) as started
    left join {{ totals }} as day_before
        on
            day_before.model_id = {{ of_model }}
            and day_before.health_date = {{ day }} - 1
    left join {{ totals }} as reference_before
        on
            reference_before.model_id = {{ of_model }}
            and reference_before.health_date = started.first_date - 1
    cross join lateral (
        select
            coalesce(
                started.last_date,
                case
                    when
                        {{ facts_of_reason(reason, 'day_before') }}
                        - coalesce({{ facts_of_reason(reason, 'reference_before') }}, 0)
                        >= {{ var('health_reference_signals') }}
                        and {{ facts_of_reason(reason, 'day_before', 'days_with_') }}
                        - coalesce({{ facts_of_reason(
                            reason, 'reference_before', 'days_with_'
                        ) }}, 0)
                        >= {{ var('health_reference_days') }}
                        and started.first_date is not null
                        then {{ day }} - 1
                end
            ) as last_date
    ) as completed
    left join {{ totals }} as reference
        on
            reference.model_id = {{ of_model }}
            and reference.health_date = completed.last_date
    inner join {{ totals }} as today
        on
            today.model_id = {{ of_model }}
            and today.health_date = {{ day }}
    left join {{ totals }} as window_before
        on
            window_before.model_id = {{ of_model }}
            and window_before.health_date = {{ day }} - {{ window_days }}
    inner join {{ ref('int_model_health') }} as health
        on health.model_id = {{ of_model }} and health.health_date = {{ day }}
{%- endmacro %}
