{% macro affected_int_model_rank_ics_daily() %}
    select distinct
        model_id,
        signal_date
    from {{ changes_of('int_signals_forward') }} as forward_returns
{% endmacro %}
