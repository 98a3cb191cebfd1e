{#
    A changed signal, and of a model's signals in a direction, all from the first changed one on:
    what became of it was known to those after it, or before it while the bars and its forecast were
    not of one build. So was a changed count of cases to those after its day, which may have been
    looked up before it was counted anew.
#}
{% macro affected_signal_validation() %}
    select signal_id
    from {{ changes_of('stg_ai__trading_signals') }} as signals

    union

    select signal_id
    from {{ changes_of('int_ensemble_signals_judged') }} as judged_signals

    union

    select judged_signals.signal_id
    from (
        select
            model_id,
            signal_type,
            min(from_at) as from_at
        from (
            select
                model_id,
                signal_type,
                least(available_at, resolved_at) as from_at
            from {{ changes_of('int_ensemble_signals_judged') }} as judged_signals

            union all

            select
                model_id,
                signal_type,
                {{ utc_midnight('min(resolved_date) + 1') }} as from_at
            from {{ changes_of('int_ensemble_cases') }} as cases
            group by model_id, signal_type
        ) as known
        group by model_id, signal_type
    ) as changed
    cross join lateral (
        select stored.signal_id
        from {{ ref('int_ensemble_signals_judged') }} as stored
        where
            stored.model_id = changed.model_id
            and stored.signal_type = changed.signal_type
            and stored.available_at >= changed.from_at
        {{ kept_apart() }}
    ) as judged_signals
{% endmacro %}
