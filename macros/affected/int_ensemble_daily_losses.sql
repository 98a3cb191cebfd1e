{# A day of a changed decision or close. #}
{% macro affected_int_ensemble_daily_losses() %}
    select weight_date as decided_date
    from {{ changes_of('ensemble_decisions') }} as decisions

    union

    select decided_date
    from {{ changes_of('int_ensemble_bars') }} as bars
{% endmacro %}
