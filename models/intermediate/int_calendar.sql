-- Grain: a UTC day, every one from the first to the last on which a signal came, a
-- trade closed or the platform reported.

with signals as (

    select * from {{ ref('stg_ai__trading_signals') }}

),

closed_lots as (

    select * from {{ ref('int_lots_closed') }}

),

trading_stats as (

    select * from {{ ref('stg_platform__trading_stats') }}

),

active_days as (

    select {{ utc_date('created_at') }} as trading_date
    from signals

    union distinct

    select {{ utc_date('exit_at') }} as trading_date
    from closed_lots

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
