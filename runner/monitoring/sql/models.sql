-- Models with a version that is not retired, at most a hundred, those with alarms first.
select
    history.model_name as model,
    count(alarms.model_id) as model_alarms
from operations.model_history as history
left join operations.retraining_triggers as alarms
    on history.model_id = alarms.model_id and alarms.cleared_date is null
where history.ended_at is null and history.stage <> 'retired'
group by history.model_name
order by model_alarms desc, model
limit 100
