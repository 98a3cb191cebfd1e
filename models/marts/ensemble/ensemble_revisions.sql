-- Grain: a published decision that the present build would make otherwise. Times are
-- UTC.

{{
    config(
        incremental_strategy='append',
        indexes=[{'columns': ['symbol', 'decided_at']}],
        pre_hook=["{{ forget_revisions() }}", "{{ avoid_nested_loops() }}"]
    )
}}

-- The changed decisions, if they are known; their earlier revisions were deleted.
{% set where_changed %}
    {% if is_from_changes() %}
        where (symbol, decided_at) in (
            select
                changed.symbol,
                changed.decided_at
            from {{ changes_of('ensemble_decisions') }} as changed
        )
    {% endif %}
{% endset %}

with publications as (

    select *
    from {{ ref('ensemble_publications') }}
    {{ where_changed }}

),

decisions as (

    select *
    from {{ ref('ensemble_decisions') }}
    {{ where_changed }}

),

-- Weights are sums of doubles, whose last digits depend on the order of the rows.
ensemble_revisions as (

    select
        publications.symbol,
        publications.decided_at,
        publications.decision as published_decision,
        decisions.decision as computed_decision,
        publications.probability_up as published_probability_up,
        decisions.probability_up as computed_probability_up,
        decisions.probability_up - publications.probability_up as probability_change,
        coalesce(
            publications.decision <> decisions.decision, true
        ) as is_decision_changed,
        publications.published_at
    from publications
    left join decisions
        on
            publications.symbol = decisions.symbol
            and publications.decided_at = decisions.decided_at
    where
        decisions.symbol is null
        or publications.decision <> decisions.decision
        or abs(publications.probability_up - decisions.probability_up) > 1e-9

)

select * from ensemble_revisions
