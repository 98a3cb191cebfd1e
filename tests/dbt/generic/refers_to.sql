{#
    Fails for each value that refers to a row that is neither there nor set aside
    (operations.rejected_rows).

    to: the model that is referred to.
    field: its key.
    landing: the raw table that the model is made from.
#}
{% test refers_to(model, column_name, to, field, landing) %}

    select
        child.{{ column_name }},
        count(*) as rows_affected
    from {{ model }} as child
    where
        child.{{ column_name }} is not null
        and not exists (
            select from {{ to }} as parent
            where child.{{ column_name }} = parent.{{ field }}
        )
        and not exists (
            select from {{ changes_table('rejected_rows') }} as set_aside
            where
                set_aside.source_table = {{ relation_name(landing) }}
                and set_aside.row_key = cast(child.{{ column_name }} as {{ dbt.type_string() }})
        )
    group by child.{{ column_name }}

{% endtest %}
