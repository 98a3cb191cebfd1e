{#
    The condition that a time falls on a UTC date, in a form that can use an index on the time.
#}
{% macro is_on_date(time, date) -%}
    {{ time }} >= {{ utc_midnight(date) }} and {{ time }} < {{ utc_midnight(date ~ ' + 1') }}
{%- endmacro %}
