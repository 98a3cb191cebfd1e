{#
    For a model that is not exact itself: whether the books hold all changed rows of its parents since it
    last read them.
#}
{% macro has_known_changes() %}
    {% if not execute or flags.WHICH not in ('build', 'run') %}
        {{ return(false) }}
    {% endif %}
    {% set node = graph.nodes[model.unique_id] %}
    {% if node.get('known', {}).get('run') != invocation_id %}
        {% set known = hold_versions(parent_names()) ~ ' select ' ~ is_known() %}
        {% do node.update({'known': {
            'run': invocation_id,
            'is_known': run_query(known).columns[0].values()[0],
        }}) %}
    {% endif %}
    {{ return(node.known.is_known) }}
{% endmacro %}
