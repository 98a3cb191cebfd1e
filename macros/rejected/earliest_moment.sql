{#
    The first moment that a row may be of: before it lie times that were never set, and such as count
    another unit than is read. A record of an AI module cannot be of an earlier one
    (runner/client/limits.py).
#}
{% macro earliest_moment() -%}
    cast('1971-01-01 00:00:00+00' as {{ type_moment() }})
{%- endmacro %}
