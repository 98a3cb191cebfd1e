{#
    The condition that a row of a landing table is affected (affected_in_landing).
#}
{% macro is_affected_in_landing() -%}
    {%- set key = config.get('meta').landing_key -%}
    ({{ key | join(', ') }}) in (select landing_{{ key | join(', landing_') }} from affected)
{%- endmacro %}
