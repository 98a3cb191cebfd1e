-- Each reason to retrain a version, as its last closed day has it.
select
    models.model_name || ' ' || models.model_version || ': ' || days.reason as subject,
    days.is_open,
    days.breach_days,
    days.figure,
    days.threshold,
    case
        when days.figure is null
            then format('alarm on %s; since then its new reference is not complete', days.alarm_date)
        else format(
            '%s is %s, a breach from %s on%s',
            days.reason, round(cast(days.figure as numeric), 4),
            round(cast(days.threshold as numeric), 4),
            coalesce(
                ', since ' || days.first_breach_date,
                case when days.is_open then ', alarm on ' || days.alarm_date end
            )
        )
    end as text
from staging.stg_ai__models as models
cross join lateral (
    select max(last.health_date) as health_date
    from intermediate.int_trigger_days as last
    where last.model_id = models.model_id
) as newest
inner join intermediate.int_trigger_days as days
    on models.model_id = days.model_id and newest.health_date = days.health_date
