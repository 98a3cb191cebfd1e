{# All days, which are few. #}
{% macro affected_int_ensemble_calendar() %}
    select true as is_changed
    where
        exists (select from {{ changes_of('int_ensemble_bars') }} as bars)
        or exists (select from {{ changes_of('int_ensemble_experts') }} as experts)
{% endmacro %}
