{#
    Whether the books tell all that changed since this model was last built.
#}
{% macro has_known_changes() %}
    {% set parents = parent_names() %}
    {% set known %}
        select
            exists (
                select from {{ changes_table('relations') }}
                where
                    relation = {{ relation_name(this) }}
                    and definition = '{{ model_definition() }}'
            )
            {%- for parent in parents %}
            and exists (
                select
                from {{ changes_table('relations') }} as parents
                inner join {{ changes_table('reads') }} as reads
                    on parents.relation = reads.relation
                where
                    parents.relation = {{ parent }}
                    and reads.reader = {{ relation_name(this) }}
                    and parents.rebuilt_version <= reads.version
            )
            {%- endfor %}
    {% endset %}
    {{ return(run_query(known).columns[0].values()[0]) }}
{% endmacro %}
