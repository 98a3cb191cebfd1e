-- Grain: a day of decisions and a day on which their outcomes were known. Days are UTC.

{# The outcomes of the closes are those of the forecasts, and change with them. #}
{{ config(
    unique_key=['decided_date', 'resolved_date'],
    meta={
        'affected_by': 'decided_date',
        'follows': {
            'int_ensemble_forecasts_live':
                'case when went_up is not null then decided_date end',
            'int_ensemble_bars': none
        }
    },
    pre_hook="{{ prefer_index_lookups() }}"
) }}

with live_forecasts as (

    select * from {{ ref('int_ensemble_forecasts_live') }}

),

bars as (

    select *
    from {{ followed('int_ensemble_bars') }}

),

-- A round is a decision whose price went up or down. A price that did not move makes no
-- forecast right or wrong, and an unknown price cannot be scored. Each bar is checked
-- for a forecast, instead of grouping the forecasts by bar: there are many more
-- forecasts than bars, and the cost of grouping grows faster than their number.
decided_bars as (

    select
        bars.decided_date,
        bars.resolved_date
    from bars
    where
        bars.went_up is not null
        and exists (
            select 1
            from live_forecasts
            where
                live_forecasts.symbol = bars.symbol
                and live_forecasts.decided_at = bars.decided_at
                and live_forecasts.is_deciding
        )

),

int_ensemble_decision_counts as (

    select
        decided_date,
        resolved_date,
        count(*) as rounds
    from decided_bars
    group by decided_date, resolved_date

)

select * from int_ensemble_decision_counts
