{#
    The condition that a time is of a UTC date, as an index on the time serves it.
#}
{% macro is_on_date(time, date) -%}
    {{ time }} >= {{ utc_midnight(date) }} and {{ time }} < {{ utc_midnight(date ~ ' + 1') }}
{%- endmacro %}
