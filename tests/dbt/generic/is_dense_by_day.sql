{#
    Fails with every day after which the next day is missing, within each group.

    date_column: the date.
    group_by: columns of which each combination has days of its own; none means the whole relation.
#}
{% test is_dense_by_day(model, date_column, group_by=[]) %}

    with days as (

        select
            *,
            lead({{ date_column }}) over (
                {{
                    "partition by "
                    ~ require_list('is_dense_by_day', 'group_by', group_by) | join(', ')
                    if group_by
                }}
                order by {{ date_column }}
            ) as next_date
        from {{ model }}

    )

    select *
    from days
    where next_date <> {{ date_column }} + 1

{% endtest %}
