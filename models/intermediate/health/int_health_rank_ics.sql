-- Grain: a model version and a UTC day, with the rank correlation of its last signals
-- of a day with the returns that became known in the window that ends on the day.

{% set window_days = var('health_window_days') | int(1) %}
{% set z = z_of_95_percent() %}

{{ config(
    unique_key=['model_id', 'health_date'],
    meta={
        'affected_by': 'model_id',
        'affected_from': 'health_date',
        'follows': {
            'int_health_calendar': 'model_id, health_date',
            'int_health_ic_days': 'model_id, health_date',
            'int_signal_forward_returns': 'model_id, ' ~ utc_date('known_at')
        }
    }
) }}

with calendar as (

    select *
    from {{ followed('int_health_calendar') }}

),

windows as (

    select
        calendar.model_id,
        calendar.health_date,
        min(ic_days.first_symbol) < max(ic_days.last_symbol) as is_over_symbols,
        sum(ic_days.rank_ics) as rank_ics,
        cast(sum(ic_days.rank_ic_sum) as {{ type_double() }})
        / nullif(sum(ic_days.rank_ics), 0) as mean_rank_ic,
        cast(
            sum(ic_days.squared_rank_ic_sum)
            - sum(ic_days.rank_ic_sum) * sum(ic_days.rank_ic_sum)
            / nullif(sum(ic_days.rank_ics), 0) as {{ type_double() }}
        ) / nullif(sum(ic_days.rank_ics) - 1, 0) as variance
    from calendar
    cross join
        lateral (
            select stored.*
            from {{ ref('int_health_ic_days') }} as stored
            where
                stored.model_id = calendar.model_id
                and stored.health_date > calendar.health_date - {{ window_days }}
                and stored.health_date <= calendar.health_date
            {{ kept_apart() }}
        ) as ic_days
    group by calendar.model_id, calendar.health_date

),

-- A model with one symbol has no ranks within a day.
{% set sample = ['windows.model_id', 'windows.health_date'] %}

samples as (

    select
        windows.model_id,
        windows.health_date,
        {{ doubled_rank('forward_returns.score', sample) }} as score_rank,
        {{ doubled_rank('forward_returns.forward_return', sample) }} as return_rank
    from windows
    cross join
        lateral (
            select stored.*
            from {{ ref('int_signal_forward_returns') }} as stored
            where
                stored.model_id = windows.model_id
                and stored.horizon_number = 0
                and stored.known_at
                >= {{ utc_midnight('windows.health_date - ' ~ (window_days - 1)) }}
                and stored.known_at < {{ utc_midnight('windows.health_date + 1') }}
            {{ kept_apart() }}
        ) as forward_returns
    where not windows.is_over_symbols

),

over_time as (

    select
        model_id,
        health_date,
        count(*) as days,
        {{ rank_correlation('score_rank', 'return_rank') }} as rank_ic
    from samples
    group by model_id, health_date

),

-- One correlation a day, so that the day is what varies; over time, Fisher's z, with
-- one signal a day.
measured as (

    select
        windows.model_id,
        windows.health_date,
        case when windows.is_over_symbols then 'symbols' else 'time' end
            as rank_ic_over,
        case
            when windows.is_over_symbols then windows.rank_ics
            else over_time.days
        end as rank_ic_days,
        case
            when windows.is_over_symbols then windows.mean_rank_ic
            else least(1, greatest(-1, over_time.rank_ic))
        end as rank_ic,
        case
            when windows.is_over_symbols
                then {{ z }} * sqrt(greatest(windows.variance, 0) / windows.rank_ics)
            when over_time.days > 3 then {{ z }} / sqrt(over_time.days - 3)
        end as half_width
    from windows
    left join over_time
        on
            windows.model_id = over_time.model_id
            and windows.health_date = over_time.health_date

),

int_health_rank_ics as (

    select
        model_id,
        health_date,
        cast(rank_ic_over as {{ dbt.type_string() }}) as rank_ic_over,
        cast(rank_ic_days as bigint) as rank_ic_days,
        rank_ic,
        {% for name, sign, limit in [
            ('lower', '-', 'greatest(-1, '), ('upper', '+', 'least(1, ')
        ] %}
        case
            when rank_ic_over = 'symbols'
                then {{ limit }}rank_ic {{ sign }} half_width)
            when abs(rank_ic) < 1
                then tanh(atanh(rank_ic) {{ sign }} half_width)
        end as rank_ic_{{ name }}
        {{- "," if not loop.last }}
    {% endfor %}
    from measured
    where rank_ic is not null

)

select * from int_health_rank_ics
