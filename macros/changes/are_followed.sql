{#
    The condition that the books tell all that changed in the parents since the model that is built last
    read them: each was read, and not rebuilt afterwards.

    parents: their names in the books, as SQL literals.
#}
{% macro are_followed(parents) -%}
    not exists (
        select
        from unnest(cast(array[{{ parents | join(', ') }}] as text[])) as parents (relation)
        left join {{ changes_table('relations') }} as relations
            on parents.relation = relations.relation
        left join {{ changes_table('reads') }} as reads
            on
                parents.relation = reads.relation
                and reads.reader = {{ relation_name(this) }}
        where (relations.rebuilt_version <= reads.version) is not true
    )
{%- endmacro %}
