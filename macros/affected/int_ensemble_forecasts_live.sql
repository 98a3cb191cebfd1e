{#
    Changed closes, and every close at which a changed forecast is or was live, but not the closes between
    its old and new span. Of a forecast whose end alone changed: the closes between its old and new end.
    Where closes have other numbers, the closes that had these numbers before have changed. Where an expert
    joins on another day: the closes of its forecasts between the old and the new day. Where a version has
    another stage: the closes of its forecasts from the first such day on. If an expert was inserted or
    deleted, so were its forecasts.
#}
{% macro affected_int_ensemble_forecasts_live() %}
    with forecasts as (

        {# An even number of images: the row existed and still exists, or neither. #}
        select
            forecast_type,
            forecast_id,
            symbol,
            mod(count(*), 2) = 0
            and count(distinct (
                expert_number, probability_up, first_bar_number, available_at
            )) = 1 as ends_elsewhere,
            array_agg(first_bar_number) as first_bar_numbers,
            array_agg(end_bar_number) as end_bar_numbers,
            min(end_bar_number) as first_end,
            max(end_bar_number) as last_end
        from {{ changes_of('int_ensemble_forecasts') }} as changed
        group by forecast_type, forecast_id, symbol

    ),

    spans as (

        select
            symbol,
            first_end as first_bar_number,
            last_end as end_bar_number
        from forecasts
        where ends_elsewhere

        union

        select
            forecasts.symbol,
            images.first_bar_number,
            images.end_bar_number
        from forecasts
        cross join lateral unnest(
            forecasts.first_bar_numbers, forecasts.end_bar_numbers
        ) as images (first_bar_number, end_bar_number)
        where not forecasts.ends_elsewhere

    ),

    spans_of_moved_experts as (

        select
            forecasts.symbol,
            forecasts.first_bar_number,
            forecasts.end_bar_number,
            moved.from_date,
            moved.to_date
        from (
            select
                2 * model_id as expert_number,
                min(counts_from_date) as from_date,
                cast(null as date) as to_date
            from {{ changes_of('int_model_stages') }} as changed
            group by model_id

            union all

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

    {% for spans, condition in [
        ('spans', 'true'),
        (
            'spans_of_moved_experts',
            'bars.decided_date >= spans.from_date'
            ~ ' and coalesce(bars.decided_date < spans.to_date, true)'
        )
    ] %}
        union

        select
            bars.symbol,
            bars.decided_at
        from {{ spans }} as spans
        inner join lateral (
            select
                stored.symbol,
                stored.decided_at,
                stored.decided_date
            from {{ ref('int_ensemble_bars') }} as stored
            where
                stored.symbol = spans.symbol
                and stored.bar_number >= spans.first_bar_number
                and stored.bar_number < spans.end_bar_number
            {{ kept_apart() }}
        ) as bars on {{ condition }}
    {% endfor %}
{% endmacro %}
