-- Grain: an episode of a reinforcement learning model's training. Times are UTC.

-- All figures only look back: an episode's row does not change when later ones arrive.

{# The linter has no value for a var: the default of int is for it alone. #}
{% set window_size = var('rl_reward_window_episodes') | int(1) %}

{{ config(
    unique_key='episode_id',
    meta={
        'affected_by': 'model_id',
        'affected_from': 'episode_number',
        'follows': {
            'stg_ai__rl_training_episodes': 'model_id, episode_number',
            'stg_ai__models': through(
                'stg_ai__rl_training_episodes', 'model_id', keys='model_id, episode_number'
            )
        }
    },
    indexes=[{'columns': ['model_id', 'episode_number']}]
) }}
{%- set training = 'partition by model_id order by episode_number' %}
{%- set framed = framed_window('training', training) %}

with episodes as (

    select
        episode_id,
        model_id,
        episode_number,
        episode_length,
        total_reward,
        average_loss,
        portfolio_value,
        sharpe_ratio,
        created_at,
        available_at,
        total_reward as best_reward,
        0 as episodes_before,
        false as is_kept
    from {{ followed('stg_ai__rl_training_episodes') }}
    {% if is_from_changes() %}
        union all

        -- The earlier episodes that the changed ones look back on.
        select
            stored.episode_id,
            stored.model_id,
            stored.episode_number,
            stored.episode_length,
            stored.total_reward,
            stored.average_loss,
            stored.portfolio_value,
            stored.sharpe_ratio,
            stored.created_at,
            stored.available_at,
            stored.best_reward,
            stored.episode_position - 1 as episodes_before,
            true as is_kept
        from affected
        cross join lateral {{ stored_before(2 * window_size - 1) }} as stored
    {% endif %}

),

models as (

    select * from {{ ref('stg_ai__models') }}

),

windowed as (

    select
        *,
        row_number() over training
        + {{ whole_number(
            'first_value(episodes_before) over training'
        ) }} as episode_position,
        lag(created_at) over training as previous_created_at,
        max(best_reward) over (
            {{ framed }} rows between unbounded preceding and 1 preceding
        ) as previous_best_reward,
        avg(total_reward) over (
            {{ framed }} rows between {{ window_size - 1 }} preceding and current row
        ) as mean_reward,
        count(total_reward) over (
            {{ framed }} rows between {{ window_size - 1 }} preceding and current row
        ) as mean_reward_episodes,
        avg(total_reward) over (
            {{ framed }}
            rows between {{ 2 * window_size - 1 }} preceding
            and {{ window_size }} preceding
        ) as previous_mean_reward,
        count(total_reward) over (
            {{ framed }}
            rows between {{ 2 * window_size - 1 }} preceding
            and {{ window_size }} preceding
        ) as previous_mean_reward_episodes,
        -- Episodes may be stored late or out of order: these figures need all episodes
        -- up to this one.
        max(available_at) over (
            {{ framed }} rows between unbounded preceding and current row
        ) as progress_available_at
    from episodes
    window training as ({{ training }})

),

rl_progress as (

    select
        windowed.episode_id,
        windowed.model_id,
        coalesce(models.model_name, 'unknown') as model_name,
        coalesce(models.model_version, 'unknown') as model_version,
        windowed.episode_number,
        windowed.episode_position,
        windowed.episode_length,
        windowed.total_reward,
        windowed.mean_reward,
        windowed.mean_reward_episodes,
        -- Means over fewer episodes than a window would show the start's noise as
        -- progress.
        case
            when windowed.previous_mean_reward_episodes = {{ window_size }}
                then windowed.mean_reward - windowed.previous_mean_reward
        end as mean_reward_change,
        -- greatest() ignores NULL here, but not on every engine.
        greatest(
            windowed.total_reward,
            coalesce(windowed.previous_best_reward, windowed.total_reward)
        ) as best_reward,
        windowed.previous_best_reward is null
        or windowed.total_reward > windowed.previous_best_reward as is_best,
        windowed.average_loss,
        windowed.portfolio_value,
        windowed.sharpe_ratio,
        {{ seconds_between(
            'windowed.previous_created_at', 'windowed.created_at'
        ) }} as seconds_since_previous,
        windowed.created_at,
        windowed.progress_available_at as available_at
    from windowed
    left join models
        on windowed.model_id = models.model_id
    where not windowed.is_kept

)

select * from rl_progress
