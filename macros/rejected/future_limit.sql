{#
    How much later than the newest moment of the primary a row may be: for clocks and time zones that
    differ.
#}
{% macro future_limit() -%}
    interval '1 day'
{%- endmacro %}
