{#
    For each model with a changed step, or that changed itself, the number of its first changed step,
    from_number, and that of the first of those before it that the changed ones need, kept_from_number.

    steps: name of the model of staging that holds the steps, numbered by AI model.
    number: its column.
    looks_back: how many steps before it a changed step needs.
#}
{% macro affected_from_number(steps, number, looks_back) %}
    with changed as (

        select
            model_id,
            {{ number }}
        from {{ changes_of(steps) }} as steps

        union all

        select
            model_id,
            {{ number }}
        from {{ ref(steps) }}
        where model_id in (select model_id from {{ changes_of('stg_ai__models') }} as models)

    ),

    first_changed as (

        select
            model_id,
            min({{ number }}) as from_number
        from changed
        group by model_id

    )

    select
        first_changed.model_id,
        first_changed.from_number,
        (
            select min(kept.{{ number }})
            from (
                select stored.{{ number }}
                from {{ this }} as stored
                where
                    stored.model_id = first_changed.model_id
                    and stored.{{ number }} < first_changed.from_number
                order by stored.{{ number }} desc
                limit {{ looks_back }}
            ) as kept
        ) as kept_from_number
    from first_changed
{% endmacro %}
