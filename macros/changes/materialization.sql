{#
    dbt's incremental materialization, but for a model that is built from changes, and then only with
    the statements that this needs: dbt asks for columns, compares types, and writes grants and
    comments anew, which takes longer than the changes themselves. What may differ in those is part of
    the model's definition, and then it is built in full, or of its presentation.
#}
{% materialization incremental, adapter='postgres' %}
    {% if not is_from_changes() %}
        {{ return(dbt.materialization_incremental_default()) }}
    {% endif %}

    {% set target = this.incorporate(type='table') %}
    {% set fresh = make_temp_relation(target) %}
    {% set books = books_of_model() %}

    {{ run_hooks(pre_hooks, inside_transaction=True) }}

    {# A commit that a crash loses takes what the model read with it, and is made up for. #}
    {% call statement('main') %}
        set local synchronous_commit = off;

        create temporary table {{ fresh }} on commit drop as
        {{ get_select_subquery(sql) if config.get('contract').enforced else sql }};

        {{ get_incremental_exact_sql({
            'target_relation': target,
            'temp_relation': fresh,
            'dest_columns': books.columns,
        }) }}
    {% endcall %}

    {% if not books.is_presented %}
        {% do apply_grants(target, config.get('grants'), should_revoke=True) %}
        {% do persist_docs(target, model) %}
    {% endif %}

    {{ run_hooks(post_hooks, inside_transaction=True) }}

    {% do adapter.commit() %}

    {{ return({'relations': [target]}) }}
{% endmaterialization %}
