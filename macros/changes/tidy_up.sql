{#
    The last hook after a run: deletes old builds and, in production, change log entries that all staging
    models have read. The graph keeps these statements for the rounds of a watch.
#}
{% macro tidy_up() %}
    {{ return(adapter.dispatch('tidy_up')()) }}
{% endmacro %}

{% macro default__tidy_up() %}
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

{% macro spark__tidy_up() %}
{% endmacro %}
