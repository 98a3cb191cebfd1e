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
    %}
        {{ return(false) }}
    {% endif %}
    {% set parent = relation_name(ref(model_name)) %}
    {% set known = hold_versions([parent]) ~ ' select ' ~ is_followed(parent) %}
    {{ return(run_query(known).columns[0].values()[0] and is_incremental()) }}
{% endmacro %}
