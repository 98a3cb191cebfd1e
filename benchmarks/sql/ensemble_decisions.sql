with live as (
    {live_forecasts}
),

weights as (
    {daily_weights}
),

averaged as (
    select
        l.symbol, l.closed_at,
        max(w.experts) as experts,
        count(*) as contributors,
        sum(w.weight) as contributing_weight,
        sum(w.weight * (l.probability_up - 0.5)) as move,
        sum(w.weight * abs(l.probability_up - 0.5)) as total_move,
        sum(l.probability_up - 0.5) as lean,
        string_agg(
            l.expert_name, ', ' order by w.weight * abs(l.probability_up - 0.5) desc, l.expert_name
        ) filter (where l.probability_up > 0.5) as experts_up,
        string_agg(
            l.expert_name, ', ' order by w.weight * abs(l.probability_up - 0.5) desc, l.expert_name
        ) filter (where l.probability_up < 0.5) as experts_down
    from live as l
    inner join weights as w on l.expert_id = w.expert_id and l.decided_date = w.day
    group by l.symbol, l.closed_at
)

select
    a.symbol, a.closed_at as decided_at, b.close as close_price, 0.5 + a.move as probability_up,
    case when a.move > 0.01 then 'BUY' when a.move < -0.01 then 'SELL' else 'HOLD' end as decision,
    2 * a.move as score,
    case when a.total_move > 0 then abs(a.move) / a.total_move end as agreement,
    0.5 + a.lean / a.experts as equal_weights_probability_up,
    a.experts, a.contributors, a.contributing_weight,
    case when a.move > 0 then a.experts_up when a.move < 0 then a.experts_down end
        as confirming_experts,
    case when a.move > 0 then a.experts_down when a.move < 0 then a.experts_up end
        as contradicting_experts
from averaged as a
inner join market_bars as b
    on a.symbol = b.symbol and b.timeframe = '1h'
    and b.opened_at = a.closed_at - interval '1 hour'
