-- Grain: an expert and a close at which it has a live forecast, with the latest one.
-- Days are UTC.

{{ config(
    unique_key=['symbol', 'decided_at', 'expert_number'],
    meta={'affected_by': ['symbol', 'decided_at']},
    pre_hook="{{ avoid_nested_loops() }}"
) }}

{# The linter has no value for a var: the default of int is for it alone. #}
{% set forecast_bars = var('ensemble_forecast_bars') | int(1) %}

with bars as (

    select *
    from {{ followed('int_ensemble_bars') }}

),

{% if is_from_changes() %}

    bar_numbers as (

        {{ bar_ranges('bars') }}

    ),

    -- Only forecasts that began at most ensemble_forecast_bars closes ago can be live
    -- at an affected close.
    forecasts as (

        select distinct forecasts.*
        from bar_numbers
        cross join lateral (
            select stored.*
            from {{ ref('int_ensemble_forecasts') }} as stored
            where
                stored.symbol = bar_numbers.symbol
                and stored.first_bar_number
                between bar_numbers.first_number - {{ forecast_bars - 1 }}
                and bar_numbers.last_number
            {{ kept_apart() }}
        ) as forecasts

    ),

{% else %}

    forecasts as (

        select * from {{ ref('int_ensemble_forecasts') }}

    ),

{% endif %}

experts as (

    select * from {{ ref('int_ensemble_experts') }}

),

stages as (

    {{ stage_spans() }}

),

-- Later forecasts of an expert have higher numbers.
spans as (

    select
        expert_number,
        symbol,
        forecast_id,
        probability_up,
        first_bar_number,
        end_bar_number,
        row_number() over (
            order by expert_number, symbol, available_at, forecast_id
        ) as forecast_number,
        lead(first_bar_number) over next_forecast as next_first_bar_number,
        lead(end_bar_number) over next_forecast as next_end_bar_number
    from forecasts
    where first_bar_number < end_bar_number
    window
        next_forecast as (
            partition by expert_number, symbol
            order by available_at, forecast_id
        )

),

-- If the next forecast lives at least as long, this one ends at the start of the next.
-- The result stays the same, and few closes are counted for two forecasts.
clipped_spans as (

    select
        forecast_number,
        expert_number,
        symbol,
        first_bar_number,
        case
            when next_end_bar_number >= end_bar_number
                then least(end_bar_number, next_first_bar_number)
            else end_bar_number
        end as end_bar_number
    from spans

),

offsets as (

    {% for bars_after_first in range(forecast_bars) %}
        select {{ bars_after_first }} as bars_after_first
        {{- " union all" if not loop.last }}
    {% endfor %}

),

-- A row for each close of a span. The number of rows is limited: a forecast lives for a
-- limited number of bars.
closes_of_spans as (

    select
        clipped_spans.expert_number,
        clipped_spans.symbol,
        clipped_spans.first_bar_number + offsets.bars_after_first as bar_number,
        clipped_spans.forecast_number
    from clipped_spans
    inner join offsets
        on
            clipped_spans.end_bar_number - clipped_spans.first_bar_number
            > offsets.bars_after_first

),

-- An earlier forecast may outlive a later one; it then counts again.
latest as (

    select
        symbol,
        bar_number,
        max(forecast_number) as forecast_number
    from closes_of_spans
    group by expert_number, symbol, bar_number

),

int_ensemble_forecasts_live as (

    select
        bars.symbol,
        bars.decided_at,
        spans.expert_number,
        spans.forecast_id,
        spans.probability_up,
        bars.went_up,
        bars.decided_date,
        bars.resolved_date,
        experts.model_id is null or coalesce(stages.stage = 'champion', false)
            as is_deciding
    from latest
    inner join spans
        on latest.forecast_number = spans.forecast_number
    inner join bars
        on
            latest.symbol = bars.symbol
            and latest.bar_number = bars.bar_number
    inner join experts
        on spans.expert_number = experts.expert_number
    left join stages
        on
            {{ is_in_span(
                'experts.model_id', 'bars.decided_date', 'stages', 'date'
            ) | indent(12) }}
    where bars.decided_date >= experts.joined_date

)

-- The forecasts of a close are read together, so they are written together. A full
-- build does not sort its rows: few of its closes are read again.
select * from int_ensemble_forecasts_live
{% if is_from_changes() %}
    order by symbol, decided_at
{% endif %}
