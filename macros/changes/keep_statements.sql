{#
    The last post-hook of an incremental model. For a watch, it keeps in the graph the statements that build
    the model from changes, so that rounds run without dbt (runner/build/rounds.py). They equal dbt's
    statements, and are valid as long as the books hold the digest of the model's code (refuse_unknown).

    collect: the pre-hooks.
    apply: the model's own statements; run only if `affected` has rows.
    publish: the post-hooks, which return the new version of an exact model.
#}
{% macro keep_statements() %}
    {% set node = graph.nodes[model.unique_id] if execute else {} %}
    {% if
        execute
        and env_var('SIGNAL_MARTS_KEEP_STATEMENTS', '')
        and config.get('materialized') == 'incremental'
        and not is_kept()
        and not ('statements' in node and is_from_changes())
    %}
        {% set columns = run_query('select ' ~ columns_of_table()).columns[0].values()[0].split(',') %}
        {% do node.update({'rendered': 'kept'}) %}
        {% set hooks = {'pre': [], 'post': []} %}
        {% for kind, given in {'pre': pre_hooks, 'post': post_hooks}.items() %}
            {% for hook in given %}
                {% set statement = render(hook.get('sql')) | trim %}
                {% if statement %}
                    {% do hooks[kind].append(statement.rstrip(';')) %}
                {% endif %}
            {% endfor %}
        {% endfor %}
        {% do node.update({'statements': {
            'collect': hooks.pre | join(';\n'),
            'apply': apply_changes(render(model.raw_code), columns),
            'publish': hooks.post | join(';\n'),
        }}) %}
        {% do node.pop('rendered') %}
    {% endif %}
{% endmacro %}
