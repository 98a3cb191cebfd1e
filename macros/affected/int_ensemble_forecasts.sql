{#
    Changed forecasts; all forecasts of an inserted or deleted expert; and where a close was inserted,
    deleted or has another time, every forecast that ends at this close, later or not yet.

    A type of patterns counts as deleted and inserted if its number changed: the number is that of its first
    pattern, and this pattern may now have another type.
#}
{% macro affected_int_ensemble_forecasts() %}
    {% set parents = [
        ('signal', 'stg_ai__trading_signals', 'signal_id', 'available_at'),
        ('pattern', 'stg_platform__micro_patterns', 'pattern_number', 'created_at')
    ] %}
    with changed_numbers as (

        select
            symbol,
            bar_number
        from {{ changes_of('int_ensemble_bars') }} as bars
        group by symbol, bar_number
        having mod(count(*), 2) = 1 or min(decided_at) < max(decided_at)

    ),

    moved as (

        select
            changed.symbol,
            changed.from_number,
            coalesce((
                select bars.decided_at
                from {{ ref('int_ensemble_bars') }} as bars
                where
                    bars.symbol = changed.symbol
                    and bars.bar_number = changed.from_number - 1
            ), '-infinity') as after_at
        from (
            select
                symbol,
                min(bar_number) as from_number
            from changed_numbers
            group by symbol
        ) as changed

    ),

    changed_experts as (

        select
            model_id,
            expert_type,
            expert_name
        from {{ changes_of('int_ensemble_experts') }} as experts
        where expert_number in (
            select expert_number
            from {{ changes_of('int_ensemble_experts') }} as experts
            group by expert_number
            having
                mod(count(*), 2) = 1
                or (
                    min(expert_type) = 'pattern'
                    and min(expert_name) < max(expert_name)
                )
        )

    )

    select
        forecasts.forecast_type,
        forecasts.forecast_id
    from moved
    cross join lateral (
        select
            stored.forecast_type,
            stored.forecast_id
        from {{ this }} as stored
        where
            stored.symbol = moved.symbol
            and stored.end_bar_number >= moved.from_number
        {{ kept_apart() }}
    ) as forecasts

    {% for forecast_type, parent, key, known_at in parents %}
        union

        select
            '{{ forecast_type }}' as forecast_type,
            {{ key }} as forecast_id
        from {{ changes_of(parent) }} as changed

        union

        select
            '{{ forecast_type }}' as forecast_type,
            later.forecast_id
        from moved
        cross join lateral (
            select parent.{{ key }} as forecast_id
            from {{ ref(parent) }} as parent
            where
                parent.symbol = moved.symbol
                and parent.{{ known_at }} >= moved.after_at
            {{ kept_apart() }}
        ) as later
    {% endfor %}

    union

    select
        'signal' as forecast_type,
        signal_id as forecast_id
    from {{ ref('stg_ai__trading_signals') }}
    where model_id in (select model_id from changed_experts)

    union

    select
        'pattern' as forecast_type,
        pattern_number as forecast_id
    from {{ ref('stg_platform__micro_patterns') }}
    where coalesce(pattern_type, 'unknown') in (
        select expert_name from changed_experts where expert_type = 'pattern'
    )
{% endmacro %}
