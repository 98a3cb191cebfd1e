{#
    What is said of a signal anywhere, a bar at which it was resolved, or the name of its model.
#}
{% macro affected_signal_outcomes() %}
    {% for parent in [
        'stg_ai__trading_signals',
        'int_signal_bars',
        'int_signal_barriers',
        'int_signal_exits',
        'trades'
    ] %}
        select signal_id
        from {{ changes_of(parent) }} as changed
        where signal_id is not null

        union
    {% endfor %}

    select signal_exits.signal_id
    from {{ changes_of('int_bars_numbered') }} as bars
    cross join lateral (
        select stored.signal_id
        from {{ ref('int_signal_exits') }} as stored
        where
            stored.symbol = bars.symbol
            and stored.exit_bar_number = bars.bar_number
        {{ kept_apart() }}
    ) as signal_exits

    union

    select signals.signal_id
    from (
        select model_id
        from {{ changes_of('stg_ai__models') }} as models
        group by model_id
        having
            mod(count(*), 2) = 1
            or min(model_name) < max(model_name)
            or min(model_version) < max(model_version)
    ) as renamed
    inner join {{ ref('stg_ai__trading_signals') }} as signals
        on renamed.model_id = signals.model_id
{% endmacro %}
