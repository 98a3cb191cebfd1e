{#
    The UTC day of a timestamp, whatever the time zone of the session: a plain cast to date follows
    the session on PostgreSQL.
#}
{% macro utc_date(timestamp) -%}
    {{ return(adapter.dispatch('utc_date')(timestamp)) }}
{%- endmacro %}

{% macro default__utc_date(timestamp) -%}
    cast({{ timestamp }} at time zone 'UTC' as date)
{%- endmacro %}

{% macro spark__utc_date(timestamp) -%}
    cast({{ timestamp }} as date)
{%- endmacro %}
