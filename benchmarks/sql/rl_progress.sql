select
    e.id as episode_id, e.model_id, e.episode_number, e.episode_position, e.total_reward,
    e.mean_reward,
    case when e.earlier = 20 then e.mean_reward - e.previous_mean_reward end as mean_reward_change,
    e.best_reward, e.average_loss, e.portfolio_value, e.sharpe_ratio,
    extract(epoch from e.created_at - e.previous_created_at)::double precision
        as seconds_since_previous,
    e.available_at
from (
    select
        *,
        row_number() over training as episode_position,
        lag(created_at) over training as previous_created_at,
        max(total_reward) over training as best_reward,
        avg(total_reward) over (
            training rows between 19 preceding and current row
        ) as mean_reward,
        avg(total_reward) over (
            training rows between 39 preceding and 20 preceding
        ) as previous_mean_reward,
        count(total_reward) over (
            training rows between 39 preceding and 20 preceding
        ) as earlier,
        max(created_at) over training as available_at
    from rl_training_episodes
    window training as (partition by model_id order by episode_number)
) as e
left join ai_models as m on e.model_id = m.id
