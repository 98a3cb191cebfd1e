-- An expert counts from the day after it was first known.
select
    'model: ' || m.model_name || ' ' || m.version as expert_id,
    (least(m.created_at, min(s.created_at)) at time zone 'UTC')::date + 1 as joined_date
from ai_models as m
left join ai_trading_signals as s on m.id = s.model_id
group by m.id
union all
select 'pattern: ' || pattern_type, (min(created_at) at time zone 'UTC')::date + 1
from micro_patterns
group by pattern_type
