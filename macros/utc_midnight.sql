{#
    The moment, in UTC, at which a date begins, whatever the time zone of the session.
#}
{% macro utc_midnight(date) -%}
    {{ return(adapter.dispatch('utc_midnight')(date)) }}
{%- endmacro %}

{% macro default__utc_midnight(date) -%}
    cast({{ date }} as timestamp) at time zone 'UTC'
{%- endmacro %}

{% macro spark__utc_midnight(date) -%}
    cast({{ date }} as timestamp)
{%- endmacro %}
