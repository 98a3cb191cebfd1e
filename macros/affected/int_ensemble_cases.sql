{# Of a model's signals in a direction, everything from the first changed outcome on. #}
{% macro affected_int_ensemble_cases() %}
    select
        model_id,
        signal_type,
        min({{ utc_date('resolved_at') }}) as from_date
    from {{ changes_of('int_ensemble_signals_judged') }} as judged_signals
    where is_win is not null
    group by model_id, signal_type
{% endmacro %}
