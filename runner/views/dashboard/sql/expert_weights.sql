select
    expert_name,
    expert_type,
    weight,
    excess_loss,
    forecasts_resolved,
    weight_date
from ensemble.expert_weights
where weight_date = (select max(weight_date) from ensemble.expert_weights)
order by weight desc, expert_name
