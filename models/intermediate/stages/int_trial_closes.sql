-- Grain: a trial, a moment at which bars closed, and the day on which the outcomes of
-- its forecasts were known. Times are UTC.

{{ config(
    unique_key=[
        'challenger_stage_id', 'champion_stage_id', 'decided_at', 'resolved_date'
    ],
    meta={'affected_by': 'decided_date'},
    pre_hook="{{ avoid_nested_loops() }}"
) }}

with trials as (

    select * from {{ ref('int_trials') }}

),

bars as (

    select *
    from {{ followed('int_ensemble_bars', by='decided_date') }}
    where went_up is not null

),

live_forecasts as (

    select * from {{ ref('int_ensemble_forecasts_live') }}

),

-- A version without a live forecast says a half.
pairs as (

    select
        trials.challenger_stage_id,
        trials.champion_stage_id,
        bars.symbol,
        bars.decided_at,
        bars.decided_date,
        bars.resolved_date,
        bars.went_up,
        max(live_forecasts.probability_up) filter (
            where live_forecasts.expert_number = 2 * trials.challenger_id
        ) as challenger_said,
        max(live_forecasts.probability_up) filter (
            where live_forecasts.expert_number = 2 * trials.champion_id
        ) as champion_said
    from trials
    inner join bars
        on
            trials.first_date <= bars.decided_date
            and (trials.last_date is null or trials.last_date >= bars.decided_date)
    inner join live_forecasts
        on
            bars.symbol = live_forecasts.symbol
            and bars.decided_at = live_forecasts.decided_at
            and live_forecasts.expert_number in (
                2 * trials.challenger_id, 2 * trials.champion_id
            )
    group by
        trials.challenger_stage_id,
        trials.champion_stage_id,
        bars.symbol,
        bars.decided_at,
        bars.decided_date,
        bars.resolved_date,
        bars.went_up

),

forecasts as (

    select
        *,
        coalesce(challenger_said, 0.5) as challenger_probability,
        coalesce(champion_said, 0.5) as champion_probability
    from pairs

),

int_trial_closes as (

    select
        challenger_stage_id,
        champion_stage_id,
        decided_at,
        resolved_date,
        min(decided_date) as decided_date,
        count(challenger_said) as challenger_forecasts,
        count(champion_said) as champion_forecasts,
        {{ sum_exactly(
            '(champion_probability - went_up) * (champion_probability - went_up)'
            ~ ' - (challenger_probability - went_up)'
            ~ ' * (challenger_probability - went_up)'
        ) }} as loss_difference,
        {{ sum_exactly(
            'abs(challenger_probability - champion_probability)'
            ~ ' * (1 + abs(challenger_probability + champion_probability - 1))'
        ) }} as most_difference
    from forecasts
    group by challenger_stage_id, champion_stage_id, decided_at, resolved_date

)

select * from int_trial_closes
