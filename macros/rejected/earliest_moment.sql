{#
    The earliest time that a raw row may have.
#}
{% macro earliest_moment() -%}
    cast('{{ var("earliest_date") }} 00:00:00+00' as timestamp with time zone)
{%- endmacro %}
