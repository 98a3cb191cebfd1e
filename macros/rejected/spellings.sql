{#
    A query for the values of a column, each once, as the index that begins with it gives them: a look
    for each value, and not for each row.

    relation: a raw table.
    column: the first column of its primary key.
#}
{% macro spellings(relation, column) -%}
    {%- set first = 'order by ' ~ column ~ ' limit 1' -%}
    with recursive spellings as (

        (select {{ column }} from {{ relation }} {{ first }})

        union all

        select (
            select next.{{ column }}
            from {{ relation }} as next
            where next.{{ column }} > spellings.{{ column }}
            {{ first }}
        )
        from spellings
        where spellings.{{ column }} is not null

    )

    select {{ column }}
    from spellings
    where {{ column }} is not null
{%- endmacro %}
