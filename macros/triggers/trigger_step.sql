{#
    The joins that lead from a day of int_trigger_days to the state of the next one, `states`.

    yesterday: the relation of the day before, with trigger_state().
    calendar: the relation of the day, with model_id, health_date and stage.
#}
{% macro trigger_step(yesterday, calendar) -%}
    {%- set day = calendar ~ '.health_date' -%}
    {%- set is_shift = yesterday
        ~ ".reason in ('confidence_shift', 'signal_mix_shift', 'calibration')" -%}
    {{ trigger_reference(yesterday, day) }}
    {{ trigger_shift(yesterday, day, is_shift) }}
    {{ trigger_bet(yesterday, day) }}
    {{ trigger_figure(yesterday, day, is_shift) }}
    {{ trigger_alarm(yesterday, calendar, day) }}
{%- endmacro %}
