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

calendar as (

    {{ calendar_days('bounds', 'first_date', 'last_date') }}

)

select * from calendar
