{#
    How much later than the newest moment of the primary a row's time may be: clocks and time zones differ.
#}
{% macro future_limit() -%}
    interval '1 day'
{%- endmacro %}
