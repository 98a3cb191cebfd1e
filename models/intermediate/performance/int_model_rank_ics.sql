-- Grain: a model, a window and a horizon with a rank correlation. Days are UTC.

{{ config(
    unique_key=['model_id', 'window_name', 'horizon_number'],
    meta={'follows': 'whole'}
) }}

-- The daily correlations are read directly where they are needed: a CTE of all of them
-- would be materialized.
with windows as (

    select * from {{ ref('int_windows') }}

),

closing as (

    select {{ utc_midnight('max(last_date) + 1') }} as closed_at
    from windows

),

-- Over symbols, each day gives one correlation. For a model with one symbol, each
-- window gives one, over time.
models as (

    select
        daily_ics.model_id,
        closing.closed_at
    from {{ ref('int_model_rank_ics_daily') }} as daily_ics
    cross join closing
    group by daily_ics.model_id, closing.closed_at
    having min(daily_ics.first_symbol) < max(daily_ics.last_symbol)

),

window_ics as (

    select
        models.model_id,
        windows.window_name,
        daily_ics.horizon_number,
        daily_ics.horizon_bars,
        daily_ics.observations,
        daily_ics.rank_ic
    from models
    cross join windows
    inner join lateral (
        select stored.*
        from {{ ref('int_model_rank_ics_daily') }} as stored
        where
            stored.model_id = models.model_id
            and stored.signal_date between windows.first_date and windows.last_date
            and stored.known_at <= models.closed_at
        {{ kept_apart() }}
    ) as daily_ics on true

    union all

    select
        last_ics.model_id,
        windows.window_name,
        last_ics.horizon_number,
        last_ics.horizon_bars,
        last_ics.observations,
        last_ics.rank_ic
    from {{ ref('int_model_rank_ics_last') }} as last_ics
    inner join windows
        on last_ics.signal_date between windows.first_date and windows.last_date

),

model_ics as (

    select
        model_id,
        window_name,
        horizon_number,
        horizon_bars,
        'symbols' as rank_ic_over,
        count(rank_ic) as samples,
        cast(
            coalesce(sum(observations) filter (where rank_ic is not null), 0) as bigint
        ) as observations,
        -- The sign must not depend on the order of the rows, and must be 0 where only
        -- last digits differ from 0, as in three thirds less 1.
        case
            when abs({{ sum_exactly('rank_ic') }}) > count(rank_ic) * 1e-15
                then
                    cast({{ sum_exactly('rank_ic') }} as {{ type_double() }})
                    / count(rank_ic)
            when count(rank_ic) > 0 then 0
        end as rank_ic,
        case
            when max(rank_ic) - min(rank_ic) > 1e-12
                then {{ aggregate_in_order('stddev_samp', 'rank_ic', 'rank_ic') }}
        end as deviation
    from window_ics
    group by model_id, window_name, horizon_number, horizon_bars

    union all

    select
        model_id,
        window_name,
        horizon_number,
        horizon_bars,
        'time' as rank_ic_over,
        case when rank_ic is null then 0 else 1 end as samples,
        case when rank_ic is null then 0 else observations end as observations,
        rank_ic,
        null as deviation
    from {{ ref('int_model_rank_ics_over_time') }}

),

model_rank_ics as (

    select
        model_id,
        window_name,
        horizon_number,
        horizon_bars,
        rank_ic_over,
        samples,
        observations,
        rank_ic,
        rank_ic / deviation as ic_ir
    from model_ics

)

select * from model_rank_ics
