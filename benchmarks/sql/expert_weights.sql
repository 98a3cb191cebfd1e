select
    experts, rounds_resolved, forecasts_resolved, excess_loss, weight,
    0.25 * forecasts_resolved + excess_loss as cumulative_loss,
    row_number() over (partition by day order by excess_loss, expert_id) as weight_rank
from (
    {daily_weights}
) as weights
