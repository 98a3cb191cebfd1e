{#
    The books' entry of the model, asked once per run, when its parents are done. The graph keeps the answer
    with the id of the run, because a project that is read once for many runs keeps its graph:

    is_known: whether the model can be built from changes.
    is_presented: whether its table's grants and comments equal the project's.
    columns: the names of its table's columns, quoted, in order.
#}
{% macro books_of_model() %}
    {% set node = graph.nodes[model.unique_id] %}
    {% if node.get('books', {}).get('run') != invocation_id %}
        {% set books %}
            {{ hold_versions(parent_names()) }}
            select
                {{ is_known() }} as is_known,
                exists (
                    select from {{ changes_table('relations') }}
                    where
                        relation = {{ relation_name(this) }}
                        and presentation = '{{ model_presentation() }}'
                ) as is_presented,
                {{ columns_of_table() }} as columns
        {% endset %}
        {% set is_known, is_presented, columns = run_query(books).rows[0].values() %}
        {% do node.update({'books': {
            'run': invocation_id,
            'is_known': is_known,
            'is_presented': is_presented,
            'columns': (columns or '').split(','),
        }}) %}
    {% endif %}
    {{ return(node.books) }}
{% endmacro %}
