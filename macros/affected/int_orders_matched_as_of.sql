{#
    Changed orders, and every order that came while a changed signal was or is valid: a signal that was
    inserted or deleted, or has another side, time or version, or whose version has another stage. A signal
    that was rewritten unchanged has as many old images as new ones; an odd number of equal images means an
    inserted or deleted signal.
#}
{% macro affected_int_orders_matched_as_of() %}
    with claims as (

        select
            symbol,
            created_at,
            valid_until_at
        from {{ changes_of('stg_ai__trading_signals') }} as signals
        group by
            signal_id, model_id, symbol, signal_type, created_at, valid_until_at
        having mod(count(*), 2) = 1

        union

        select
            signals.symbol,
            signals.created_at,
            signals.valid_until_at
        from {{ changes_of('int_model_stages') }} as stages
        cross join lateral (
            select
                stored.symbol,
                stored.created_at,
                stored.valid_until_at
            from {{ ref('stg_ai__trading_signals') }} as stored
            where
                stored.model_id = stages.model_id
                and stored.created_at >= stages.counts_from_at
            {{ kept_apart() }}
        ) as signals

    )

    select order_id
    from {{ changes_of('stg_platform__trading_orders') }} as changed_orders

    union

    select orders.order_id
    from claims
    cross join lateral (
        select stored.order_id
        from {{ ref('stg_platform__trading_orders') }} as stored
        where
            stored.symbol = claims.symbol
            and stored.created_at >= claims.created_at
            and stored.created_at < claims.valid_until_at
            and stored.trade_plan_id is null
        {{ kept_apart() }}
    ) as orders
{% endmacro %}
