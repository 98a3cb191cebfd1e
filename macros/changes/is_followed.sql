{#
    The condition that the books tell all that changed in a relation since the model that is built
    last read it: it was read, and not rebuilt afterwards.
#}
{% macro is_followed(relation) -%}
    exists (
        select
        from {{ changes_table('relations') }} as relations
        inner join {{ changes_table('reads') }} as reads
            on relations.relation = reads.relation
        where
            relations.relation = {{ relation }}
            and reads.reader = {{ relation_name(this) }}
            and relations.rebuilt_version <= reads.version
    )
{%- endmacro %}
