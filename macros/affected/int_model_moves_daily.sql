{# The day of a changed signal, and the day of the model's next signal for the symbol. #}
{% macro affected_int_model_moves_daily() %}
    with changed as (

        select distinct
            model_id,
            symbol,
            created_at,
            signal_id
        from {{ changes_of('stg_ai__trading_signals') }} as signals

    )

    select
        model_id,
        {{ utc_date('created_at') }} as signal_date
    from changed

    union

    select
        changed.model_id,
        {{ utc_date('following.created_at') }} as signal_date
    from changed
    cross join lateral (
        select signals.created_at
        from {{ ref('stg_ai__trading_signals') }} as signals
        where
            signals.model_id = changed.model_id
            and signals.symbol = changed.symbol
            and (signals.created_at, signals.signal_id)
            > (changed.created_at, changed.signal_id)
        order by signals.created_at, signals.signal_id
        limit 1
    ) as following
{% endmacro %}
