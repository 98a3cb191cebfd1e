{#
    A changed signal, one whose forecast changed, one that refers to a changed pattern, and one whose
    first close changed.
#}
{% macro affected_int_ensemble_signals_judged() %}
    select signal_id
    from {{ changes_of('stg_ai__trading_signals') }} as signals

    union

    select forecast_id
    from {{ changes_of('int_ensemble_forecasts') }} as forecasts
    where forecast_type = 'signal'

    union

    select signal_id
    from {{ ref('stg_ai__trading_signals') }}
    where pattern_id in (
        select pattern_id from {{ changes_of('stg_platform__micro_patterns') }} as patterns
    )

    union

    select forecasts.forecast_id
    from {{ changes_of('int_ensemble_bars') }} as bars
    inner join {{ ref('int_ensemble_forecasts') }} as forecasts
        on
            bars.symbol = forecasts.symbol
            and bars.bar_number = forecasts.first_bar_number
    where forecasts.forecast_type = 'signal'
{% endmacro %}
