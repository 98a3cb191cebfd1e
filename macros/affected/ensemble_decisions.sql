{#
    A changed close, one with changed forecasts, all closes of a day with other weights, and where an
    expert came or went, or its number means another one, those at which it has a forecast.
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

    union

    select
        live_forecasts.symbol,
        live_forecasts.decided_at
    from {{ ref('int_ensemble_forecasts_live') }} as live_forecasts
    where live_forecasts.expert_number in (
        select expert_number
        from {{ changes_of('int_ensemble_experts') }} as experts
        group by expert_number
        having mod(count(*), 2) = 1 or min(expert_name) < max(expert_name)
    )
{% endmacro %}
