{#
    The condition that the books hold all changed rows of the parents since the model last read them: it
    has read each parent, and no parent was built in full afterwards.

    parents: names of the parents in the books, as SQL literals.
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
