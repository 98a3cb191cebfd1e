{#
    Changed models, models with a changed signal, and the types of changed patterns.
#}
{% macro affected_int_ensemble_experts() %}
    select
        model_id,
        cast(null as text) as pattern_type
    from {{ changes_of('stg_ai__models') }} as models

    union

    select
        model_id,
        null as pattern_type
    from {{ changes_of('stg_ai__trading_signals') }} as signals

    union

    select
        null as model_id,
        coalesce(pattern_type, 'unknown') as pattern_type
    from {{ changes_of('stg_platform__micro_patterns') }} as patterns
{% endmacro %}
