{#
    Rows that a failed or warning data test found, as text: up to three; for the test of a column, with the
    key of the tested model. None if the test passed.

    result: dbt's result of the test.
#}
{% macro failing_rows(result) %}
    {% set node = result.node %}
    {% if node.resource_type != 'test' or result.status not in ('fail', 'warn') %}
        {{ return(none) }}
    {% endif %}
    {% set tested = graph.nodes.get(node.attached_node) if node.column_name else none %}
    {% set key = [] %}
    {% for column in (tested or {}).get('columns', {}).values() if column.description.startswith('Key') %}
        {% do key.append(column.name) %}
    {% endfor %}
    {% if tested and not key and tested.config.get('unique_key') %}
        {% set key = [tested.config.unique_key] if tested.config.unique_key is string else tested.config.unique_key %}
    {% endif %}
    {% set found %}
        with failing {{ '(failing_value)' if tested }} as (
            {{ node.compiled_code }}
        )

        select left(cast(to_jsonb(found) as text), 300)
        from (
            {% if tested -%}
            select {{ (key + [node.column_name]) | unique | join(', ') }}
            from {{ tested.relation_name }} as tested
            where
                exists (
                    select from failing
                    where
                        cast(failing.failing_value as text)
                        is not distinct from cast(tested.{{ node.column_name }} as text)
                )
            order by 1
            {%- else -%}
            select * from failing
            {%- endif %}
            limit 3
        ) as found
    {% endset %}
    {{ return(run_query(found).columns[0].values() | join(', ')) }}
{% endmacro %}
