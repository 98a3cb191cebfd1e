{# A day on which a changed trade was or is closed. #}
{% macro affected_int_source_runs() %}
    select distinct {{ utc_date('exit_at') }} as trading_date
    from {{ changes_of('trades') }} as trades
{% endmacro %}
