{#
    A changed close, one with changed forecasts, all closes of a day with other weights, and all from
    the day on which a changed expert joins or joined: its number may mean another one.
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
        symbol,
        decided_at
    from {{ ref('int_ensemble_bars') }}
    where decided_date >= (
        select min(joined_date)
        from {{ changes_of('int_ensemble_experts') }} as experts
    )
{% endmacro %}
