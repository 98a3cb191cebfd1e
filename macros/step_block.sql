{#
    The block of training steps that a step lies in, as a number that grows with the steps.

    number: a column with the step's number; there are a hundred in a block.
    date: instead of that, the UTC day of a step that has no number; a day is a block.
#}
{% macro step_block(number=none, date=none) -%}
    {{ return(adapter.dispatch('step_block')(number, date)) }}
{%- endmacro %}

{% macro default__step_block(number, date) -%}
    {%- if number -%}
        cast(floor({{ number }} / 100.0) as bigint)
    {%- else -%}
        cast({{ date }} - date '1970-01-01' as bigint)
    {%- endif -%}
{%- endmacro %}

{% macro spark__step_block(number, date) -%}
    {%- if number -%}
        cast(floor({{ number }} / 100.0) as bigint)
    {%- else -%}
        cast(datediff({{ date }}, date '1970-01-01') as bigint)
    {%- endif -%}
{%- endmacro %}
