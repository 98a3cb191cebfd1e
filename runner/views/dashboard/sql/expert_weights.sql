-- The experts' weights of the newest day, and how many experts of equal weight they are worth.
select
    expert_name,
    expert_type,
    weight,
    1 / nullif(sum(weight * weight) over (), 0) as effective_experts,
    excess_loss,
    forecasts_resolved,
    weight_date
from ensemble.expert_weights
where
    weight_date = (select max(weight_date) from ensemble.expert_weights)
    and coalesce(stage, 'champion') = 'champion'
order by weight desc, expert_name
