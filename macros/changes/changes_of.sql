{#
    A subquery for the changed rows of a parent since this model last read it: the image before the change,
    the image after it, or both.
#}
{% macro changes_of(model_name) -%}
    {%- set relation = ref(model_name) -%}
    (
        select changed.*
        from {{ changes_table(relation.schema ~ '__' ~ relation.identifier) }} as changed
        where
            changed._version > (
                select reads.version
                from {{ changes_table('reads') }} as reads
                where
                    reads.reader = {{ relation_name(this) }}
                    and reads.relation = {{ relation_name(relation) }}
            )
    )
{%- endmacro %}
