-- Grain: a trial and a stretch of its days, whose outcomes were known by its end. Days are
-- UTC.

{% set block_days = var('trial_block_days') | int(1) %}
{% set counted_days = block_days - var('trial_gap_days') | int(0) %}
{% set bets = ['0.05', '0.1', '0.2', '0.4', '0.6', '0.9'] %}

{{ config(
    unique_key=['challenger_stage_id', 'champion_stage_id', 'block_number'],
    meta={'follows': 'whole'}
) }}

with trials as (

    select * from {{ ref('int_trials') }}

),

trial_days as (

    select * from {{ ref('int_trial_days') }}

),

closes as (

    select max(trading_date) as last_date
    from {{ ref('int_ensemble_calendar') }}

),

numbered as (

    select
        trial_days.*,
        trials.first_date,
        trials.last_date,
        {{ dbt.datediff('trials.first_date', 'trial_days.decided_date', 'day') }}
            as day_number
    from trial_days
    inner join trials
        on
            trial_days.challenger_stage_id = trials.challenger_stage_id
            and trial_days.champion_stage_id = trials.champion_stage_id

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

-- The last days of a stretch give their outcomes to no stretch: what the next one begins
-- with is known, so that stretches follow each other as rounds of a game do.
clusters as (

    select
        blocks.challenger_stage_id,
        blocks.champion_stage_id,
        blocks.block_number,
        blocks.end_date,
        sum(blocks.challenger_forecasts) as challenger_forecasts,
        sum(blocks.champion_forecasts) as champion_forecasts,
        sum(blocks.loss_difference) as loss_difference,
        sum(
            blocks.loss_difference
            - {{ var('trial_margin') }} * blocks.challenger_forecasts
        ) as score,
        sum(
            blocks.most_difference
            + {{ var('trial_margin') }} * blocks.challenger_forecasts
        ) as most_score
    from blocks
    cross join closes
    where
        blocks.day_number - blocks.block_number * {{ block_days }} < {{ counted_days }}
        and blocks.resolved_date < blocks.end_date
        and blocks.end_date <= closes.last_date
        and (blocks.last_date is null or blocks.end_date <= blocks.last_date + 1)
    group by
        blocks.challenger_stage_id,
        blocks.champion_stage_id,
        blocks.block_number,
        blocks.end_date

),

-- A score is measured by what is known before the outcomes: half more than the most that
-- any stretch before could have had, or the most that this one can have.
measured as (

    select
        *,
        greatest(
            most_score,
            1.5 * max(most_score) over (
                partition by challenger_stage_id, champion_stage_id
                order by block_number
                rows between unbounded preceding and 1 preceding
            )
        ) as scale
    from clusters

),

shares as (

    select
        *,
        cast(
            case when scale > 0 then score / scale else 0 end as {{ type_double() }}
        ) as share
    from measured

),

-- What a stake of 1 has become that was put, each time, on the challenger: some part of
-- it on a score above 0, for several parts at once.
wealth as (

    select
        *,
        {% for bet in bets %}
            sum(ln(1 + {{ bet }} * share)) over so_far
                as log_wealth_{{ loop.index }}
            {{- "," if not loop.last }}
        {% endfor %}
    from shares
    window
        so_far as (
            partition by challenger_stage_id, champion_stage_id
            order by block_number
            rows between unbounded preceding and current row
        )

),

int_trial_clusters as (

    select
        challenger_stage_id,
        champion_stage_id,
        block_number,
        end_date,
        cast(challenger_forecasts as bigint) as challenger_forecasts,
        cast(champion_forecasts as bigint) as champion_forecasts,
        cast(loss_difference as {{ type_double() }}) as loss_difference,
        share,
        (
            {% for bet in bets %}
                {{ exp_or_zero('least(log_wealth_' ~ loop.index ~ ', 600)') }}
                {{- " +" if not loop.last }}
            {% endfor %}
        ) / {{ bets | length }} as e_value
    from wealth

)

select * from int_trial_clusters
