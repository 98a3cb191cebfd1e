{#
    The rows of an incremental model that changed since this one last read it, as a subquery: each as
    it was before, as it is now, or both.
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
