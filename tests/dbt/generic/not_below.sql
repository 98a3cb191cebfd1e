{#
    Fails with every value below that of another column of its row. NULL on either side passes.

    other_column: the other column.
#}
{% test not_below(model, column_name, other_column) %}

    select
        {{ column_name }} as low_value,
        {{ other_column }} as other_value
    from {{ model }}
    where {{ column_name }} < {{ other_column }}

{% endtest %}
