{#
    Compares every model on Spark with PostgreSQL's rows of it, in the snapshot, and tells which are equal,
    different and not built. Fails if that is not as not_yet_equal() says. For `dbt run-operation`.

    A row is told by all its columns but the doubles, which are equal if they differ by 1e-12 of their
    size, or of 1 if they are smaller: a sum of doubles depends on the order of its rows.

    models: names, a list; all by default.
#}
{% macro compare_models(models=none) %}
    {% set found = {'equal': [], 'different': [], 'not built': []} %}
    {% for node in graph.nodes.values() | sort(attribute='name')
        if node.resource_type == 'model' and (models is none or node.name in models)
    %}
        {% set told = {'as': 'not built'} %}
        {% if adapter.get_relation(none, node.schema, node.alias) %}
            {% set rows = run_query(compared_rows(
                node.schema ~ '.' ~ node.alias,
                'parquet.`' ~ env_var('SPARK_SNAPSHOT') ~ '/expected/' ~ node.name ~ '`'
            )).rows[0] %}
            {% do told.update({
                'as': 'different' if rows[1] or rows[2] or rows[3] else 'equal',
                'rows': rows[0] ~ ' rows, ' ~ rows[1] ~ ' missing, ' ~ rows[2] ~ ' more, '
                    ~ rows[3] ~ ' with another double'
            }) %}
        {% endif %}
        {% do found[told.as].append(node.name) %}
        {% if told.rows %}
            {% do log(node.name ~ ': ' ~ told.as ~ ', ' ~ told.rows, info=true) %}
        {% endif %}
    {% endfor %}
    {% set reasons = not_yet_equal() %}
    {% set wrong = [] %}
    {% for kind, names in found.items() %}
        {% do log(names | length ~ ' ' ~ kind, info=true) %}
        {% for name in names if kind != 'equal' %}
            {% do log('    ' ~ name ~ ': ' ~ reasons.get(name, 'unexpected'), info=true) %}
        {% endfor %}
        {% do wrong.extend(names | select('in' if kind == 'equal' else 'not in', reasons)) %}
    {% endfor %}
    {% if wrong %}
        {{ exceptions.raise_compiler_error(
            'other than not_yet_equal() says: ' ~ wrong | join(', ')
        ) }}
    {% endif %}
{% endmacro %}

{#
    A query for the numbers of rows compared, missing, too many, and with another double.
#}
{% macro compared_rows(relation, expected) %}
    {% set exact, doubles = [], [] %}
    {% for column in run_query('describe query select * from ' ~ expected) %}
        {% do (doubles if column[1] == 'double' else exact).append(column) %}
    {% endfor %}
    with
    {% for side, rows in {'ours': relation, 'theirs': expected}.items() %}
        {{ side }} as (
            select
                *,
                row_number() over (
                    partition by {{ exact | map(attribute=0) | join(', ') or '1' }}
                    order by {{ (doubles or exact) | map(attribute=0) | join(', ') }}
                ) as _place
            from (
                select
                    {% for column in exact + doubles -%}
                    try_cast({{ column[0] }} as {{ column[1] }}) as {{ column[0] }}{{ ',' if not loop.last }}
                    {% endfor %}
                from {{ rows }}
            ) as cast_rows
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
                    ours.{{ column[0] }} <=> theirs.{{ column[0] }}
                    or coalesce(
                        abs(ours.{{ column[0] }} - theirs.{{ column[0] }})
                        <= 1e-12 * greatest(1, abs(theirs.{{ column[0] }})),
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
            and ours.{{ column[0] }} <=> theirs.{{ column[0] }}
            {% endfor %}
{% endmacro %}
