{#
    The seconds from one timestamp to a later one, with their fraction, as a double.
#}
{% macro seconds_between(started_at, ended_at) -%}
    {{ return(adapter.dispatch('seconds_between')(started_at, ended_at)) }}
{%- endmacro %}

{% macro default__seconds_between(started_at, ended_at) -%}
    cast(extract(epoch from {{ ended_at }} - {{ started_at }}) as {{ type_double() }})
{%- endmacro %}

{% macro spark__seconds_between(started_at, ended_at) -%}
    cast((unix_micros({{ ended_at }}) - unix_micros({{ started_at }})) / 1e6 as double)
{%- endmacro %}
