-- Grain: a window over the days of the data. Days are UTC.

{{ config(
    unique_key='window_name',
    meta={'follows': 'whole'}
) }}

with calendar as (

    select * from {{ ref('int_calendar') }}

),

signal_days as (

    select * from {{ ref('int_signal_days') }}

),

source_days as (

    select * from {{ ref('int_source_days') }}

),

bars as (

    select * from {{ ref('stg_ai__market_bars') }}

),

trading_stats as (

    select * from {{ ref('stg_platform__trading_stats') }}

),

-- Orders and fills are known when they come.
known as (

    select {{ utc_date('max(available_at)') }} as known_date
    from signal_days

    union all

    select max(trading_date) as known_date
    from source_days

    union all

    select {{ utc_date('max(available_at)') }} as known_date
    from bars

    union all

    select {{ utc_date('max(available_at)') }} as known_date
    from trading_stats

),

latest as (

    select max(known_date) as latest_date
    from known

),

-- A day is closed once a row after it is known. The clock cannot tell: the data may be
-- of last year.
closed_days as (

    select
        min(calendar.trading_date) as first_date,
        max(calendar.trading_date) as last_date
    from calendar
    cross join latest
    where calendar.trading_date < latest.latest_date

),

window_lengths as (

    select
        'all' as window_name,
        cast(null as integer) as window_days

    {% for days in [365, 90, 30] %}
        union all

        select
            '{{ days }}d' as window_name,
            {{ days }} as window_days

    {% endfor %}

),

windows as (

    select
        window_lengths.window_name,
        window_lengths.window_days,
        coalesce(
            closed_days.last_date - window_lengths.window_days + 1,
            closed_days.first_date
        ) as first_date,
        closed_days.last_date
    from window_lengths
    cross join closed_days
    where closed_days.last_date is not null

)

select * from windows
