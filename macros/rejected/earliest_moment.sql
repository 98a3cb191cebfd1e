{#
    The first moment that a row may be of.
#}
{% macro earliest_moment() -%}
    cast('{{ var("earliest_date") }} 00:00:00+00' as timestamp with time zone)
{%- endmacro %}
