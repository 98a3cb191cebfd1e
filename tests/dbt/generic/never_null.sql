{#
    Fails with every row in which one of the columns is NULL, and says which.

    columns: the columns that always have a value.
#}
{% test never_null(model, columns) %}

    select
        concat_ws(
            ', ',
            {% for column in require_list('never_null', 'columns', columns) -%}
                case when {{ column }} is null then '{{ column }}' end
                {{- ',' if not loop.last }}
            {% endfor %}
        ) as null_columns,
        tested.*
    from {{ model }} as tested
    where {{ columns | join(' is null or ') }} is null

{% endtest %}
