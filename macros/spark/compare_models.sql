{#
    Compares every model on Spark with PostgreSQL's rows of it, which mount_snapshot() mounted in the schema
    `expected`, and fails if a row differs. For `dbt run-operation`.

    A row is told by all its columns but the doubles, which are equal if they differ by 1e-12 of their
    size, or of 1 if they are smaller: a sum of doubles depends on the order of its rows.

    models: names, a list; all by default.
#}
{% macro compare_models(models=none) %}
    {% set folder = env_var('SPARK_SNAPSHOT') %}
    {% set wrong = [] %}
    {% for node in graph.nodes.values()
        if node.resource_type == 'model' and (models is none or node.name in models)
    %}
        {% do mount_parquet('expected', node.name, folder ~ '/expected/' ~ node.name) %}
        {% set found = run_query(compared_rows(
            node.schema ~ '.' ~ node.alias, 'expected.' ~ node.name
        )).rows[0] %}
        {% do log(
            node.name ~ ': ' ~ found[0] ~ ' rows, ' ~ found[1] ~ ' missing, ' ~ found[2] ~ ' more, '
            ~ found[3] ~ ' with another double', info=true
        ) %}
        {% if found[1] or found[2] or found[3] %}
            {% do wrong.append(node.name) %}
        {% endif %}
    {% endfor %}
    {% if wrong %}
        {{ exceptions.raise_compiler_error(
            'other rows than on PostgreSQL: ' ~ wrong | join(', ')
        ) }}
    {% endif %}
{% endmacro %}

{#
    A query for the numbers of rows compared, missing, too many, and with another double.
#}
{% macro compared_rows(relation, expected) %}
    {% set exact, doubles = [], [] %}
    {% set theirs = adapter.get_columns_in_relation(
        api.Relation.create(schema=expected.split('.')[0], identifier=expected.split('.')[1])
    ) %}
    {% for column in theirs if column.name[0] != '#' %}
        {% do (doubles if column.dtype == 'double' else exact).append(column) %}
    {% endfor %}
    with
    {% for side, rows in {'ours': relation, 'theirs': expected}.items() %}
        {{ side }} as (
            select
                {% for column in exact -%}
                {{ "cast(" ~ column.name ~ " as " ~ column.dtype ~ ")" }} as {{ column.name }},
                {% endfor -%}
                {% for column in doubles -%}
                cast({{ column.name }} as double) as {{ column.name }},
                {% endfor -%}
                row_number() over (
                    partition by {% for column in exact %}cast({{ column.name }} as {{ column.dtype }}){{ ', ' if not loop.last }}{% endfor %}
                    order by {{ (doubles or exact) | map(attribute='name') | join(', ') }}
                ) as _place
            from {{ rows }}
        ){{ ',' if not loop.last }}
    {% endfor %}
    select
        count(*) as compared,
        count(*) filter (where ours._place is null) as missing,
        count(*) filter (where theirs._place is null) as more,
        count(*) filter (
            where ours._place is not null and theirs._place is not null and not (
                true
                {% for column in doubles -%}
                and (
                    ours.{{ column.name }} <=> theirs.{{ column.name }}
                    or coalesce(
                        abs(ours.{{ column.name }} - theirs.{{ column.name }})
                        <= 1e-12 * greatest(1, abs(theirs.{{ column.name }})),
                        false
                    )
                )
                {% endfor -%}
            )
        ) as differing
    from ours
    full outer join theirs
        on
            ours._place = theirs._place
            {% for column in exact -%}
            and ours.{{ column.name }} <=> theirs.{{ column.name }}
            {% endfor %}
{% endmacro %}
