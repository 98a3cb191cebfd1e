{#
    A query for every day from one date to another, both included, as trading_date. No row if a bound is
    NULL. Only calendar models call it; other models join a calendar model.

    bounds: a relation or CTE of one row.
    first_date, last_date: its columns.
#}
{% macro calendar_days(bounds, first_date, last_date) -%}
    {{ return(adapter.dispatch('calendar_days')(bounds, first_date, last_date)) }}
{%- endmacro %}

{% macro default__calendar_days(bounds, first_date, last_date) -%}
    select {{ bounds }}.{{ first_date }} + days.days_after_first as trading_date
    from {{ bounds }}
    cross join lateral generate_series(
        0, {{ bounds }}.{{ last_date }} - {{ bounds }}.{{ first_date }}
    ) as days (days_after_first)
{%- endmacro %}

{% macro spark__calendar_days(bounds, first_date, last_date) -%}
    select explode(sequence({{ first_date }}, {{ last_date }})) as trading_date
    from {{ bounds }}
{%- endmacro %}
