{#
    The block of a training step: a hundred numbers, or of steps that an id orders a UTC day.

    number: the column that orders the steps (training_kinds).
    steps: the prefix of each column's name, such as `steps.`.
#}
{% macro training_block(number, steps='') -%}
    {%- if number.endswith('_id') -%}
        {{ step_block(date=utc_date(steps ~ 'created_at')) }}
    {%- else -%}
        {{ step_block(number=steps ~ number) }}
    {%- endif -%}
{%- endmacro %}
