{#
    Whether the books tell all that changed in an incremental model since this one last read it: for
    a model that is not exact itself, but marks what it read (mark_read). In a unit test they never
    do.
#}
{% macro has_known_changes_of(model_name) %}
    {% if
        not execute
        or model.resource_type != 'model'
        or flags.WHICH not in ('build', 'run')
        or not is_incremental()
    %}
        {{ return(false) }}
    {% endif %}
    {% set known %}
        select exists (
            select
            from {{ changes_table('relations') }} as relations
            inner join {{ changes_table('reads') }} as reads
                on relations.relation = reads.relation
            where
                relations.relation = {{ relation_name(ref(model_name)) }}
                and reads.reader = {{ relation_name(this) }}
                and relations.rebuilt_version <= reads.version
        )
    {% endset %}
    {{ return(run_query(known).columns[0].values()[0]) }}
{% endmacro %}
