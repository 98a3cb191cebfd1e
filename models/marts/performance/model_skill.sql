-- Grain: an AI model version and a window of days that ends on the last closed day in
-- the data. Days are UTC.

{% set horizons = var('skill_horizons_bars') %}

{{ config(
    unique_key=['model_id', 'window_name'],
    meta={'follows': 'whole'}
) }}

with models as (

    select * from {{ ref('stg_ai__models') }}

),

windows as (

    select * from {{ ref('int_windows') }}

),

daily_bins as (

    select * from {{ ref('int_model_bins_daily') }}

),

daily_moves as (

    select * from {{ ref('int_model_moves_daily') }}

),

rank_ics as (

    select * from {{ ref('int_model_rank_ics') }}

),

-- Bins are summed by day, since the windows overlap.
window_bins as (

    select
        daily_bins.model_id,
        windows.window_name,
        daily_bins.confidence_bin,
        sum(daily_bins.n) as n,
        sum(daily_bins.squared_errors) as squared_errors,
        abs(sum(daily_bins.hits) - sum(daily_bins.predicted)) as calibration_error
    from daily_bins
    inner join windows
        on daily_bins.resolved_date between windows.first_date and windows.last_date
    group by
        daily_bins.model_id,
        windows.window_name,
        daily_bins.confidence_bin

),

-- A bin's share of the signals times its error is its summed error over all signals.
window_scores as (

    select
        model_id,
        window_name,
        cast(sum(n) as bigint) as n,
        cast(sum(squared_errors) as {{ type_double() }})
        / cast(sum(n) as {{ type_double() }}) as brier_score,
        cast(sum(calibration_error) as {{ type_double() }})
        / cast(sum(n) as {{ type_double() }}) as expected_calibration_error
    from window_bins
    group by model_id, window_name

),

window_moves as (

    select
        daily_moves.model_id,
        windows.window_name,
        cast(sum(daily_moves.position_change) as {{ type_double() }})
        / cast(
            2 * nullif(sum(daily_moves.moves), 0) as {{ type_double() }}
        ) as turnover
    from daily_moves
    inner join windows
        on daily_moves.signal_date between windows.first_date and windows.last_date
    group by daily_moves.model_id, windows.window_name

),

-- ln IC falls along a line if the signal decays by the same share every bar.
decays as (

    select
        model_id,
        window_name,
        case
            when count(*) = {{ horizons | length }} and min(rank_ic) > 0
                then {{ aggregate_in_order(
                    'regr_slope',
                    'ln(case when rank_ic > 0 then rank_ic end), cast(horizon_bars as '
                    ~ type_double() ~ ')',
                    'horizon_number'
                ) }}
        end as slope
    from rank_ics
    where horizon_number > 0
    group by model_id, window_name

),

model_skill as (

    select
        models.model_id,
        models.model_name,
        models.model_version,
        windows.window_name,
        windows.first_date as window_first_date,
        windows.last_date as window_last_date,
        coalesce(window_scores.n, 0) as n,
        window_scores.brier_score,
        window_scores.expected_calibration_error,
        rank_ics.rank_ic,
        rank_ics.ic_ir,
        rank_ics.rank_ic_over,
        coalesce(rank_ics.samples, 0) as rank_ic_samples,
        coalesce(rank_ics.observations, 0) as rank_ic_observations,
        case
            when decays.slope < 0
                then -ln(cast(2 as {{ type_double() }})) / decays.slope
        end as signal_half_life_bars,
        window_moves.turnover,
        {{ utc_midnight('windows.last_date + 1') }} as available_at
    from models
    cross join windows
    {% for relation in ['window_scores', 'rank_ics', 'decays', 'window_moves'] %}
        left join {{ relation }}
            on
                models.model_id = {{ relation }}.model_id
                and windows.window_name = {{ relation }}.window_name
                {{ 'and rank_ics.horizon_number = 0' if relation == 'rank_ics' }}
    {% endfor %}

)

select * from model_skill
