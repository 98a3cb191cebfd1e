{#
    Fails with every combination of values that more than one row has.

    columns: the columns that together are a key.
#}
{% test unique_combination(model, columns) %}

    select
        {{ require_list('unique_combination', 'columns', columns) | join(', ') }},
        count(*) as row_count
    from {{ model }}
    group by {{ columns | join(', ') }}
    having count(*) > 1

{% endtest %}
