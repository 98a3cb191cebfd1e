{#
    The joins from a day's figure to its state, with hysteresis and cooldown: `states`.

    yesterday: the relation of the day before, with trigger_state().
    calendar: the relation of the day, with its stage.
    day: an expression for the day.
#}
{% macro trigger_alarm(yesterday, calendar, day) -%}
    {%- set reason = yesterday ~ '.reason' -%}
    cross join lateral (
        select coalesce(
            measured.figure >= measured.threshold
            and measured.figure
            >= {{ var('trigger_certainty') }} * measured.standard_error
            and measured.days >= {{ var('trigger_min_days') }}
            and (
                measured.n >= {{ var('trigger_min_facts') }}
                or {{ reason }} in ('skill', 'silence')
            )
            and coalesce({{ calendar }}.stage, 'champion') <> 'retired', false
        ) as is_breach
    ) as breaches
    cross join lateral (
        select
            case
                when not breaches.is_breach then 0
                when started.is_new then 1
                else {{ yesterday }}.breach_days + 1
            end as breach_days,
            coalesce(
                {{ yesterday }}.is_open and (
                    measured.figure < measured.threshold / 2
                    or {{ calendar }}.stage = 'retired'
                ), false
            ) as is_cleared
    ) as runs
    cross join lateral (
        select
            runs.breach_days >= {{ var('trigger_hold_days') }}
            and not {{ yesterday }}.is_open
            and (
                {{ yesterday }}.alarm_date is null
                or {{ day }} - {{ yesterday }}.alarm_date
                >= {{ var('trigger_cooldown_days') }}
            ) as is_alarm
    ) as alarms
    cross join lateral (
        select
            {{ yesterday }}.model_id,
            {{ yesterday }}.reason,
            started.first_date as reference_first_date,
            completed.last_date as reference_last_date,
            measured.n,
            measured.days,
            measured.figure,
            measured.standard_error,
            measured.threshold,
            runs.breach_days,
            case
                when runs.breach_days = 1 then {{ day }}
                when runs.breach_days > 1 then {{ yesterday }}.first_breach_date
            end as first_breach_date,
            alarms.is_alarm,
            case
                when alarms.is_alarm then {{ day }} else {{ yesterday }}.alarm_date
            end as alarm_date,
            alarms.is_alarm
            or ({{ yesterday }}.is_open and not runs.is_cleared) as is_open,
            runs.is_cleared,
            bounds.most_loss,
            wealths.*
    ) as states
{%- endmacro %}
