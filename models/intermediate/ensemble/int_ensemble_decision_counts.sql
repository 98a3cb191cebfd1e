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

-- A round is a decision whose price went up or down. Where it stood still there is
-- nothing to be right about, and where it is not known yet nothing to score. The bars
-- are asked for forecasts and not the other way round: there are many more of those,
-- and to bring them to one row a bar takes more than its share of time as they grow.
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
