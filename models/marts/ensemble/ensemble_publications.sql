-- Grain: a decision, as it was first published. Times are UTC.

{{
    config(
        incremental_strategy='append',
        on_schema_change='append_new_columns',
        full_refresh=false,
        tags=['live'],
        indexes=[{'columns': ['symbol', 'decided_at']}],
        pre_hook="{{ avoid_nested_loops() }}",
        post_hook="create index if not exists ensemble_publications_published_at
            on {{ this }} (published_at)"
    )
}}

-- A table of before is to have the index as well: it is never made anew.
-- The only model whose rows depend on when builds ran; this is its purpose. Rows are
-- only added, and a full refresh leaves them alone. If the changed decisions are known,
-- new decisions are among them.
{% set goes_on = is_from_changes() or is_incremental() %}

with decisions as (

    select *
    from {{ ref('ensemble_decisions') }}
    {% if is_from_changes() %}
        where (symbol, decided_at) in (
            select
                changed.symbol,
                changed.decided_at
            from {{ changes_of('ensemble_decisions') }} as changed
        )
    {% endif %}

),

{% if goes_on %}

    published as (

        select
            symbol,
            decided_at
        from {{ this }}

    ),

{% endif %}

ensemble_publications as (

    select
        decisions.symbol,
        decisions.decided_at,
        decisions.timeframe,
        decisions.decision,
        decisions.probability_up,
        decisions.contributors,
        decisions.confirming_experts,
        decisions.contradicting_experts,
        current_timestamp as published_at,
        {{ seconds_between(
            'decisions.decided_at', 'current_timestamp'
        ) }} as seconds_to_publication,
        cast({{ build_id() }} as {{ dbt.type_string() }}) as build_id
    from decisions
    {% if goes_on %}
        left join published
            on
                decisions.symbol = published.symbol
                and decisions.decided_at = published.decided_at
        where published.symbol is null
    {% endif %}

)

select * from ensemble_publications
