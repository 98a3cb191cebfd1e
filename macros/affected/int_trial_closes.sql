{#
    The days of changed outcomes and forecasts, and all days of trials that began, ended or changed.
#}
{% macro affected_int_trial_closes() %}
    select decided_date
    from {{ changes_of('int_ensemble_forecasts_live') }} as forecasts
    where went_up is not null

    union

    select bars.decided_date
    from {{ changes_of('int_ensemble_bars') }} as bars

    union

    select bars.decided_date
    from {{ changes_of('int_trials') }} as trials
    cross join lateral (
        select stored.decided_date
        from {{ ref('int_ensemble_bars') }} as stored
        where
            stored.decided_date >= trials.first_date
            and (trials.last_date is null or stored.decided_date <= trials.last_date)
        {{ kept_apart() }}
    ) as bars
{% endmacro %}
