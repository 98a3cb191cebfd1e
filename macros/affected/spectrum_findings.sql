{#
    Changed analyses, the analysis that follows or followed each in its series, and all analyses of a
    changed model. For each of these also the analysis before it, with which it is compared.
#}
{% macro affected_spectrum_findings() %}
    {% set analyses = ref('stg_ai__spectrum_analyses') %}
    with changed as (

        select
            analysis_id,
            model_id,
            symbol,
            analysis_type,
            created_at
        from {{ changes_of('stg_ai__spectrum_analyses') }} as analyses

    ),

    keys as (

        select analysis_id
        from changed

        union

        select (
            select following.analysis_id
            from {{ analyses }} as following
            where
                following.model_id = changed.model_id
                and following.symbol = changed.symbol
                and following.analysis_type = changed.analysis_type
                and (following.created_at, following.analysis_id)
                > (changed.created_at, changed.analysis_id)
            order by following.created_at, following.analysis_id
            limit 1
        )
        from changed

        union

        select of_model.analysis_id
        from {{ changes_of('stg_ai__models') }} as models
        cross join lateral (
            select stored.analysis_id
            from {{ analyses }} as stored
            where stored.model_id = models.model_id
            {{ kept_apart() }}
        ) as of_model

    )

    select
        keys.analysis_id,
        (
            select previous.analysis_id
            from {{ analyses }} as previous
            where
                previous.model_id = analyses.model_id
                and previous.symbol = analyses.symbol
                and previous.analysis_type = analyses.analysis_type
                and (previous.created_at, previous.analysis_id)
                < (analyses.created_at, analyses.analysis_id)
            order by previous.created_at desc, previous.analysis_id desc
            limit 1
        ) as previous_analysis_id
    from keys
    left join lateral (
        select stored.*
        from {{ analyses }} as stored
        where stored.analysis_id = keys.analysis_id
        {{ kept_apart() }}
    ) as analyses on true
    where keys.analysis_id is not null
{% endmacro %}
