-- Grain: a UTC day, every one from the first on which there is an expert and a close to
-- the last with a close.

{{ config(
    unique_key='trading_date',
    meta={'follows': 'whole'}
) }}

with experts as (

    select * from {{ ref('int_ensemble_experts') }}

),

bars as (

    select * from {{ ref('int_ensemble_bars') }}

),

resolved_rounds as (

    select
        resolved_date,
        sum(rounds) as rounds
    from {{ ref('int_ensemble_decision_counts') }}
    group by resolved_date

),

first_experts as (

    select min(joined_date) as first_date
    from experts

),

closes as (

    select
        min(decided_date) as first_date,
        max(decided_date) as last_date
    from bars

),

-- No row where either is missing.
bounds as (

    select
        greatest(first_experts.first_date, closes.first_date) as first_date,
        closes.last_date
    from first_experts
    inner join closes
        on first_experts.first_date <= closes.last_date

),

days as (

    {{ calendar_days('bounds', 'first_date', 'last_date') }}

),

-- An outcome that was known at midnight counts from the next day.
calendar as (

    select
        days.trading_date,
        cast(
            coalesce(
                sum(resolved_rounds.rounds) over (
                    order by days.trading_date
                    rows between unbounded preceding and 1 preceding
                ),
                0
            ) as bigint
        ) as rounds_resolved
    from days
    left join resolved_rounds
        on days.trading_date = resolved_rounds.resolved_date

)

select * from calendar
