{#
    Hours that a signal lives, rounded up: of few values, so that an index of them is small and what
    comes goes where it is warm.
#}
{% macro lifetime_hours() -%}
    {{ return('ceil(' ~ seconds_between('created_at', 'valid_until_at') ~ ' / 3600)') }}
{%- endmacro %}
