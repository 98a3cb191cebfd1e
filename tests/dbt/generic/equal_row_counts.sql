{#
    Fails when two relations differ in their number of rows: a join that drops or multiplies rows.

    compare_model: the other relation.
#}
{% test equal_row_counts(model, compare_model) %}

    with model_count as (

        select count(*) as row_count
        from {{ model }}

    ),

    compare_count as (

        select count(*) as row_count
        from {{ compare_model }}

    )

    select
        model_count.row_count as model_row_count,
        compare_count.row_count as compare_row_count
    from model_count
    cross join compare_count
    where model_count.row_count <> compare_count.row_count

{% endtest %}
