{#
    A query for the values of a column, each once, as the index that begins with it gives them: a look
    for each value, and not for each row.

    relation: a raw table.
    column: the first column of its primary key.
#}
{% macro spellings(relation, column) -%}
    {%- set least = 'select ' ~ column ~ ' from ' ~ relation ~ ' order by ' ~ column ~ ' limit 1' -%}
    with recursive spellings as (

        ({{ least }})

        union all

        select (
            {{ least | replace(' order by', ' where ' ~ column ~ ' > spellings.' ~ column ~ ' order by') }}
        )
        from spellings
        where spellings.{{ column }} is not null

    )

    select {{ column }}
    from spellings
    where {{ column }} is not null
{%- endmacro %}
