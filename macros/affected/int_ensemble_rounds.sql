{#
    A day whose forecasts, or what came of them, changed. Not followed: int_ensemble_bars, whose
    outcomes are those of the forecasts.
#}
{% macro affected_int_ensemble_rounds() %}
    select distinct decided_date
    from {{ changes_of('int_ensemble_forecasts_live') }} as live_forecasts
    where went_up is not null
{% endmacro %}
