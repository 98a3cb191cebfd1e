{#
    The condition that a text is the length of a bar: a number and m, h, d or w (timeframe_interval).
#}
{% macro is_timeframe(text) -%}
    {{ return(adapter.dispatch('is_timeframe')(text)) }}
{%- endmacro %}

{% macro default__is_timeframe(text) -%}
    {{ text }} ~ '^[1-9][0-9]{0,3}[mhdw]$'
{%- endmacro %}

{% macro spark__is_timeframe(text) -%}
    {{ text }} rlike '^[1-9][0-9]{0,3}[mhdw]$'
{%- endmacro %}
