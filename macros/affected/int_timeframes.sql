{% macro affected_int_timeframes() %}
    select distinct
        symbol,
        timeframe
    from {{ changes_of('stg_ai__market_bars') }} as bars
{% endmacro %}
