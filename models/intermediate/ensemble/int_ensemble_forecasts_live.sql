-- Grain: an expert and a close at which it has a live forecast, with the latest one.
-- Days are UTC.

{{ config(pre_hook="{{ avoid_nested_loops() }}") }}

{# The linter has no value for a var: the default of int is for it alone. #}
{% set forecast_bars = var('ensemble_forecast_bars') | int(1) %}

with forecasts as (

    select * from {{ ref('int_ensemble_forecasts') }}

),

experts as (

    select * from {{ ref('int_ensemble_experts') }}

),

bars as (

    select * from {{ ref('int_ensemble_bars') }}

),

spans as (

    select
        forecast_number,
        expert_number,
        first_bar_number,
        end_bar_number,
        lead(first_bar_number) over next_forecast as next_first_bar_number,
        lead(end_bar_number) over next_forecast as next_end_bar_number
    from forecasts
    where first_bar_number < end_bar_number
    window
        next_forecast as (
            partition by expert_number, symbol
            order by forecast_number
        )

),

-- Where the next forecast lives at least as long, this one ends with its start. That
-- changes no result, and few closes are then counted for two forecasts.
clipped_spans as (

    select
        forecast_number,
        expert_number,
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

-- A row for each close of a span. As a forecast lives for a limited number of bars,
-- there are never more than that many times the forecasts.
closes_of_spans as (

    select
        clipped_spans.expert_number,
        clipped_spans.first_bar_number + offsets.bars_after_first as bar_number,
        clipped_spans.forecast_number
    from clipped_spans
    inner join offsets
        on
            clipped_spans.end_bar_number - clipped_spans.first_bar_number
            > offsets.bars_after_first

),

-- An earlier forecast may outlive a later one, and then counts again.
latest as (

    select
        expert_number,
        bar_number,
        max(forecast_number) as forecast_number
    from closes_of_spans
    group by expert_number, bar_number

),

int_ensemble_forecasts_live as (

    select
        latest.bar_number,
        latest.expert_number,
        latest.forecast_number,
        forecasts.probability_up,
        bars.went_up,
        bars.decided_date,
        bars.resolved_date
    from latest
    inner join forecasts
        on latest.forecast_number = forecasts.forecast_number
    inner join bars
        on latest.bar_number = bars.bar_number
    inner join experts
        on latest.expert_number = experts.expert_number
    where bars.decided_date >= experts.joined_date

)

select * from int_ensemble_forecasts_live
