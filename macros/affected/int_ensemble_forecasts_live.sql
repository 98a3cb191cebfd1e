{#
    A changed close, and every close at which a changed forecast is or was live. Where closes have
    other numbers, those that a number meant before have changed. Where an expert joins on another
    day, the closes of its forecasts between the two.
#}
{% macro affected_int_ensemble_forecasts_live() %}
    with spans as (

        select
            symbol,
            first_bar_number,
            end_bar_number,
            cast('-infinity' as date) as from_date,
            cast('infinity' as date) as to_date
        from {{ changes_of('int_ensemble_forecasts') }} as changed

        union all

        select
            forecasts.symbol,
            forecasts.first_bar_number,
            forecasts.end_bar_number,
            moved.from_date,
            moved.to_date
        from (
            select
                expert_number,
                min(joined_date) as from_date,
                max(joined_date) as to_date
            from {{ changes_of('int_ensemble_experts') }} as changed
            group by expert_number
            having min(joined_date) < max(joined_date)
        ) as moved
        inner join {{ ref('int_ensemble_forecasts') }} as forecasts
            on moved.expert_number = forecasts.expert_number

    )

    select
        symbol,
        decided_at
    from {{ changes_of('int_ensemble_bars') }} as bars

    union

    select
        bars.symbol,
        bars.decided_at
    from spans
    inner join {{ ref('int_ensemble_bars') }} as bars
        on
            spans.symbol = bars.symbol
            and spans.first_bar_number <= bars.bar_number
            and spans.end_bar_number > bars.bar_number
            and spans.from_date <= bars.decided_date
            and spans.to_date > bars.decided_date
{% endmacro %}
