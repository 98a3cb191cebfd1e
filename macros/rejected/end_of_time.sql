{#
    The moment before which a row must be, whatever the primary's clock says.
#}
{% macro end_of_time() -%}
    cast('2200-01-01 00:00:00+00' as {{ type_moment() }})
{%- endmacro %}
