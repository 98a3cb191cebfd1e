{#
    A changed close, one with changed forecasts, and all closes of a day with other
    weights.
#}
{% macro affected_ensemble_decisions() %}
    select
        symbol,
        decided_at
    from {{ changes_of('int_ensemble_bars') }} as bars

    union

    select
        symbol,
        decided_at
    from {{ changes_of('int_ensemble_forecasts_live') }} as live_forecasts

    union

    select
        symbol,
        decided_at
    from {{ ref('int_ensemble_bars') }}
    where decided_date in (
        select weight_date from {{ changes_of('expert_weights') }} as weights
    )
{% endmacro %}
