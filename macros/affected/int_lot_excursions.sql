{#
    Changed lots, and every lot that was open during a changed bar. No lot is longer than the longest one, so
    only lots that end near the bar need to be read.

    Not followed: int_bar_blocks, whose changes always come with those of int_bars_numbered.
#}
{% macro affected_int_lot_excursions() %}
    with changed as (

        select
            symbol,
            min(opened_at) as from_at,
            max(closed_at) as to_at
        from (
            {{ moved_bars(changes_of('int_bars_numbered')) | indent(12) }}
        ) as moved
        group by symbol, {{ utc_date('opened_at') }}

    )

    select
        opening_order_id,
        closing_order_id
    from {{ changes_of('int_lots_closed') }} as lots

    union

    select
        lots.opening_order_id,
        lots.closing_order_id
    from changed
    cross join lateral (
        select
            stored.opening_order_id,
            stored.closing_order_id
        from {{ this }} as stored
        where
            stored.symbol = changed.symbol
            and stored.exit_at >= changed.from_at
            and stored.exit_at
            <= changed.to_at + (select max(exit_at - entry_at) from {{ this }})
            and stored.entry_at <= changed.to_at
        {{ kept_apart() }}
    ) as lots
{% endmacro %}
