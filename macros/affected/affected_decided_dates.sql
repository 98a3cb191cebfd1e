{#
    A day whose forecasts changed, or on which a close came or went, or with another outcome: the
    forecasts that it had may have slept meanwhile.
#}
{% macro affected_decided_dates() %}
    select decided_date
    from {{ changes_of('int_ensemble_forecasts_live') }} as live_forecasts
    where went_up is not null

    union

    select changed_closes.decided_date
    from (
        select decided_date
        from {{ changes_of('int_ensemble_bars') }} as bars
        group by symbol, decided_at, decided_date
        having mod(count(*), 2) = 1 or count(distinct (went_up, resolved_date)) > 1
    ) as changed_closes
{% endmacro %}
