-- Grain: a day of decisions and a day on which their outcomes were known. Days are UTC.

with live_forecasts as (

    select * from {{ ref('int_ensemble_forecasts_live') }}

),

-- A round is a decision whose price went up or down. Where it stood still there is
-- nothing to be right about, and where it is not known yet nothing to score.
decided_bars as (

    select distinct
        bar_number,
        decided_date,
        resolved_date
    from live_forecasts
    where went_up is not null

),

int_ensemble_rounds as (

    select
        decided_date,
        resolved_date,
        count(*) as rounds
    from decided_bars
    group by decided_date, resolved_date

)

select * from int_ensemble_rounds
