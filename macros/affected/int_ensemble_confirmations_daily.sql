{# A model and a day on which a changed outcome of its signals was or is known. #}
{% macro affected_int_ensemble_confirmations_daily() %}
    select distinct
        model_id,
        {{ utc_date('resolved_at') }} as resolved_date
    from {{ changes_of('int_ensemble_signals_judged') }} as judged_signals
    where is_win is not null
{% endmacro %}
