{#
    A table of the schema that change capture keeps its books in: `relations`, `reads`, and for each
    incremental model the images of its changed rows, `<schema>__<model>`.
#}
{% macro changes_table(name) -%}
    {{ return(api.Relation.create(
        database=target.get('database'),
        schema=generate_schema_name('changes', none),
        identifier=name
    )) }}
{%- endmacro %}
