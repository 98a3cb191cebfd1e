{#
    The type of a moment: a point in time, whatever the time zone of the session.
#}
{% macro type_moment() -%}
    {{ return(adapter.dispatch('type_moment')()) }}
{%- endmacro %}

{% macro default__type_moment() -%}
    timestamp with time zone
{%- endmacro %}

{% macro spark__type_moment() -%}
    timestamp
{%- endmacro %}
