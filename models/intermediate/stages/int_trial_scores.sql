-- Grain: a trial and a stretch of its days, whose outcomes were known by its end, with
-- the challenger's score. Days are UTC.

{% set block_days = var('trial_block_days') | int(1) %}
{% set counted_days = block_days - var('trial_gap_days') | int(0) %}

{{ config(
    unique_key=['challenger_stage_id', 'champion_stage_id', 'block_number'],
    meta={'follows': 'whole'}
) }}

with trials as (

    select * from {{ ref('int_trials') }}

),

trial_closes as (

    select * from {{ ref('int_trial_closes') }}

),

closes as (

    select max(trading_date) as last_date
    from {{ ref('int_ensemble_calendar') }}

),

numbered as (

    select
        trial_closes.*,
        trials.first_date,
        trials.last_date,
        {{ days_between('trials.first_date', 'trial_closes.decided_date') }}
            as day_number
    from trial_closes
    inner join trials
        on
            trial_closes.challenger_stage_id = trials.challenger_stage_id
            and trial_closes.champion_stage_id = trials.champion_stage_id

),

placed as (

    select
        *,
        cast(floor(day_number / {{ block_days }}.0) as integer) as block_number
    from numbered

),

blocks as (

    select
        *,
        first_date + (block_number + 1) * {{ block_days }} as end_date
    from placed

),

-- The last days of a stretch give their outcomes to no stretch: what the next one
-- begins with is known, so that stretches follow each other as rounds of a game do.
counted as (

    select
        blocks.*,
        blocks.loss_difference
        - {{ var('trial_margin') }} * blocks.challenger_forecasts as score,
        blocks.most_difference
        + {{ var('trial_margin') }} * blocks.challenger_forecasts as most_score
    from blocks
    cross join closes
    where
        blocks.day_number - blocks.block_number * {{ block_days }} < {{ counted_days }}
        and blocks.resolved_date < blocks.end_date
        and blocks.end_date <= closes.last_date
        and (blocks.last_date is null or blocks.end_date <= blocks.last_date + 1)

),

block_sums as (

    select
        challenger_stage_id,
        champion_stage_id,
        block_number,
        sum(most_score) as most_score
    from counted
    group by challenger_stage_id, champion_stage_id, block_number

),

-- A score is measured by what is known when its stretch begins: half more than the most
-- that any stretch before could have had. The first stretch has nothing to be measured
-- by, and counts for nothing.
measures as (

    select
        *,
        1.5 * max(most_score) over (
            partition by challenger_stage_id, champion_stage_id
            order by block_number
            rows between unbounded preceding and 1 preceding
        ) as scale
    from block_sums

),

-- Closes count as they come, until all that they could lose would exceed the measure:
-- then a version that speaks more once it is behind gains nothing by it.
placed_closes as (

    select
        counted.*,
        measures.scale,
        sum(counted.most_score) over (
            partition by
                counted.challenger_stage_id,
                counted.champion_stage_id,
                counted.block_number
            order by counted.decided_at
            range between unbounded preceding and current row
        ) <= measures.scale as is_counted
    from counted
    inner join measures
        on
            counted.challenger_stage_id = measures.challenger_stage_id
            and counted.champion_stage_id = measures.champion_stage_id
            and counted.block_number = measures.block_number

),

int_trial_scores as (

    select
        challenger_stage_id,
        champion_stage_id,
        block_number,
        end_date,
        cast(sum(challenger_forecasts) as bigint) as challenger_forecasts,
        cast(sum(champion_forecasts) as bigint) as champion_forecasts,
        cast(sum(loss_difference) as numeric(38, 15)) as loss_difference,
        coalesce(sum(score) filter (where is_counted), 0) as score,
        scale
    from placed_closes
    group by challenger_stage_id, champion_stage_id, block_number, end_date, scale

)

select * from int_trial_scores
