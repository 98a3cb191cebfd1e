{#
    Changed signals, and of a model's signals in one direction, all from the first changed one on: later
    signals count its outcome among their cases. Not followed: int_ensemble_similar_outcomes, whose
    counts come from the same signals.
#}
{% macro affected_signal_validation() %}
    select signal_id
    from {{ changes_of('stg_ai__trading_signals') }} as signals

    union

    select signal_id
    from {{ changes_of('int_ensemble_signal_outcomes') }} as resolved_signals

    union

    select resolved_signals.signal_id
    from (
        select
            model_id,
            signal_type,
            min(available_at) as from_at
        from {{ changes_of('int_ensemble_signal_outcomes') }} as resolved_signals
        group by model_id, signal_type
    ) as changed
    cross join lateral (
        select stored.signal_id
        from {{ ref('int_ensemble_signal_outcomes') }} as stored
        where
            stored.model_id = changed.model_id
            and stored.signal_type = changed.signal_type
            and stored.available_at >= changed.from_at
        {{ kept_apart() }}
    ) as resolved_signals
{% endmacro %}
