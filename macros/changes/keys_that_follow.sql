{#
    The query for affected keys, as `follows` in the model's meta declares: for each parent a way, or a list
    of ways, from a changed row to the keys, in the order of affected_columns(), then to the bound if the
    model has a suffix:

    - a select list of the changed row's columns, or of expressions on them;
    - through(): the keys of the rows of another parent, or of the model itself, that refer to it;
    - none: its changes always come with changes of another parent.

    A key or bound that is NULL affects no row. Each key appears once, with the earliest bound.
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
                {# In a CTE of its own, so that a column missing in the changed row is an error, and is not
                   taken from the referring rows. #}
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
