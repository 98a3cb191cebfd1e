{% macro affected_int_model_bins_daily() %}
    select distinct
        model_id,
        {{ utc_date('resolved_at') }} as resolved_date
    from {{ changes_of('signal_outcomes') }} as outcomes
    where outcome_return is not null
{% endmacro %}
