{#
    A query for the distinct values of a column, from an index that begins with it: one lookup per value, not
    per row.

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
