{#
    dbt's incremental materialization, with fewer statements for a model that is built from changes: dbt
    asks for columns, compares types, and writes grants and comments again, which takes longer than the
    changes themselves. A difference in columns or types changes the model's definition, so the model is
    built in full; a difference in grants or comments changes its presentation.
#}
{% materialization incremental, adapter='postgres' %}
    {% if not is_exact() or not is_from_changes() %}
        {{ return(dbt.materialization_incremental_default()) }}
    {% endif %}

    {% set target = this.incorporate(type='table') %}
    {% set books = books_of_model() %}

    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {% call statement('main') %}
        {{ apply_changes(sql, books.columns) }}
    {% endcall %}

    {% if not books.is_presented %}
        {% do apply_grants(target, config.get('grants'), should_revoke=True) %}
        {% do persist_docs(target, model) %}
    {% endif %}

    {{ run_hooks(post_hooks, inside_transaction=True) }}

    {% do adapter.commit() %}

    {{ return({'relations': [target]}) }}
{% endmaterialization %}
