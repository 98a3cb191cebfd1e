{#
    The last hook after a run: what nobody needs any more goes. A round of a watch does the same with
    these statements, which the graph keeps for it.
#}
{% macro tidy_up() %}
    {% if execute and flags.WHICH in ('build', 'run') %}
        {% set statements = [forget_old_builds()] %}
        {% if target.name == 'prod' %}
            {% do statements.append(prune_change_log()) %}
        {% endif %}
        {% set statements = statements | join('\n') %}
        {% do graph.update({'statements_after': statements}) %}
        {{ take_role() }}
        {{ statements }}
        commit;
    {% endif %}
{% endmacro %}
