-- Grain: an episode of a reinforcement learning model's training. Times are UTC.

-- Everything looks back only: an episode's row does not change when later ones arrive.

{# The linter has no value for a var: the default of int is for it alone. #}
{% set window_size = var('rl_reward_window_episodes') | int(1) %}

with episodes as (

    select * from {{ ref('stg_ai__rl_training_episodes') }}

),

models as (

    select * from {{ ref('stg_ai__models') }}

),

windowed as (

    select
        *,
        row_number() over training as episode_position,
        lag(created_at) over training as previous_created_at,
        max(total_reward) over (
            training rows between unbounded preceding and 1 preceding
        ) as previous_best_reward,
        avg(total_reward) over (
            training rows between {{ window_size - 1 }} preceding and current row
        ) as mean_reward,
        count(total_reward) over (
            training rows between {{ window_size - 1 }} preceding and current row
        ) as mean_reward_episodes,
        avg(total_reward) over (
            training
            rows between {{ 2 * window_size - 1 }} preceding
            and {{ window_size }} preceding
        ) as previous_mean_reward,
        count(total_reward) over (
            training
            rows between {{ 2 * window_size - 1 }} preceding
            and {{ window_size }} preceding
        ) as previous_mean_reward_episodes,
        -- Episodes may be stored late or out of order: these figures need all up to
        -- here.
        max(available_at) over (
            training rows between unbounded preceding and current row
        ) as progress_available_at
    from episodes
    window training as (partition by model_id order by episode_number)

),

rl_progress as (

    select
        windowed.episode_id,
        windowed.model_id,
        models.model_name,
        models.model_version,
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
        -- greatest() passes NULL by here and not on every engine.
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

)

select * from rl_progress
