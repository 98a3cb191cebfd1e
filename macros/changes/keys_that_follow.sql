{#
    The query for affected keys as a model declares them in its meta, `follows`: for each parent that it
    reads the way, or a list of ways, from a changed row to the keys, in the order of
    affected_columns(), and where a suffix is affected, to its bound after them:

    - a select list of the changed row's columns, or of expressions on them;
    - through(): the keys of the rows of another parent, or of the model itself, that refer to it;
    - none: what changes there comes with changes of another parent.

    A key or bound that is NULL is nobody's. Each key is there once, with the earliest bound.
#}
{% macro keys_that_follow(follows) %}
    {% set suffix = affected_suffix() %}
    {% set columns = affected_columns() %}
    {% set keys = (columns + ([suffix.bound] if suffix else [])) | join(', ') %}
    {% set queries = [] %}
    {% for parent, ways in follows.items() %}
        {% for way in ([ways] if ways is string or ways is mapping else ways or []) %}
            {% if way is string %}
                {% set query = 'select ' ~ way ~ ' from ' ~ changes_of(parent) ~ ' as changed' %}
            {% else %}
                {# Apart, a column that the changed row lacks is none of the rows that refer to it. #}
                {% set query %}
                    (
                        with referred as (
                            select {{ way['of'] }} from {{ changes_of(parent) }} as changed
                        )

                        select {{ way['keys'] or keys }}
                        from {{ this if way['through'] == 'this' else ref(way['through']) }}
                        where ({{ way['by'] }}) in (select * from referred)
                    )
                {% endset %}
            {% endif %}
            {% do queries.append(query) %}
        {% endfor %}
    {% endfor %}
    select {{ (columns + ['min(' ~ suffix.bound ~ ') as ' ~ suffix.bound]) | join(', ') if suffix else 'distinct *' }}
    from (
        {{ queries | join(' union all ') }}
    ) as affected ({{ keys }})
    where ({{ keys }}) is not null
    {% if suffix %}
        {{ 'group by ' ~ columns | join(', ') if columns }}
        having count(*) > 0
    {% endif %}
{% endmacro %}
