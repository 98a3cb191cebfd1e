{#
    After a run: its results, for operations.build_history: a row for each model, and for each test that
    failed or warned, with some of the rows found.
#}
{% macro record_build() %}
    {{ return(adapter.dispatch('record_build')()) }}
{% endmacro %}

{% macro default__record_build() %}
    {% if execute and flags.WHICH in ('build', 'run') %}
        {% set failed = ('error', 'fail', 'runtime error', 'partial success') %}
        {% set nodes = [] %}
        {% set failures = [] %}
        {% for result in results if result.node.resource_type in ('model', 'test', 'unit_test') %}
            {% do nodes.append(result) %}
            {% if result.status in failed %}
                {% do failures.append(result) %}
            {% endif %}
        {% endfor %}
        {% if target.get('role') %}
            {% do run_query(take_role()) %}
        {% endif %}
        {{ take_role() }}
        insert into {{ changes_table('builds') }}
        values (
            '{{ invocation_id }}',
            '{{ flags.WHICH }}',
            '{{ run_started_at }}',
            clock_timestamp(),
            {{ (failures | length) == 0 }},
            {{ nodes | length }},
            {{ failures | length }}
        );
        {% for result in nodes
            if result.node.resource_type == 'model' or result.status in failed + ('warn',)
        %}
            {% set node = result.node %}
            {% set rows_found = failing_rows(result) %}
            {% set message = result.message or '' %}
            {% if rows_found is not none %}
                {% set message = (result.failures | string) ~ ' found: ' ~ rows_found %}
            {% endif %}
            {% set is_built = node.resource_type == 'model' and result.status == 'success' %}
            {% set rows = result.adapter_response.get('rows_affected', -1) %}
            insert into {{ changes_table('build_results') }}
            select
                '{{ invocation_id }}',
                '{{ node.unique_id }}',
                '{{ node.name }}',
                '{{ node.resource_type }}',
                '{{ result.status }}',
                {% if is_built and node.config.materialized != 'view' -%}
                    case
                        when relations.rebuilt_at < '{{ run_started_at }}' then 'changes'
                        else 'full'
                    end
                {%- else -%}
                    null
                {%- endif %},
                {{ rows if is_built and rows >= 0 else 'null' }},
                {{ result.execution_time }},
                relations.landing_cut,
                {% if result.status in failed + ('warn',) -%}
                    {{ dbt.string_literal(dbt.escape_single_quotes(message)) }}
                {%- else -%}
                    null
                {%- endif %}
            from (select 1) as one_row
            left join {{ changes_table('relations') }} as relations
                on relations.relation = '{{ node.schema }}.{{ node.alias }}';
        {% endfor %}
        commit;
    {% endif %}
{% endmacro %}

{% macro spark__record_build() %}
{% endmacro %}
