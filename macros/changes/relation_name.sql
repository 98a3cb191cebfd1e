{#
    A relation's name in the books of change capture, as a SQL literal.
#}
{% macro relation_name(relation) -%}
    {{ return("'" ~ relation.schema ~ '.' ~ relation.identifier ~ "'") }}
{%- endmacro %}
