-- Grain: a UTC day, every one from the first to the last on which a signal came, a
-- trade closed or the platform reported.

{{ config(
    unique_key='trading_date',
    meta={'follows': 'whole'}
) }}

with signal_days as (

    select * from {{ ref('int_signal_days') }}

),

source_days as (

    select * from {{ ref('int_source_days') }}

),

trading_stats as (

    select * from {{ ref('stg_platform__trading_stats') }}

),

active_days as (

    select trading_date
    from signal_days

    union distinct

    select trading_date
    from source_days
    where trades > 0

    union distinct

    select trading_date
    from trading_stats

),

bounds as (

    select
        min(trading_date) as first_date,
        max(trading_date) as last_date
    from active_days

),

calendar as (

    {{ calendar_days('bounds', 'first_date', 'last_date') }}

)

select * from calendar
