{#
    The number of the block that a training step lies in; it grows with the steps.

    number: a column with the step's number; a block has a hundred steps.
    date: for a step without a number, its UTC day; a block is a day.
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
