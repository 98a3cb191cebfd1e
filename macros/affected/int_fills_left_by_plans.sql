{#
    In a symbol, everything from the first fill on that changed, or of which its trade plan takes
    other units: later units are numbered after it.
#}
{% macro affected_int_fills_left_by_plans() %}
    with changed as (

        select
            symbol,
            filled_at
        from {{ changes_of('int_fills') }} as fills

        union all

        select
            fills.symbol,
            fills.filled_at
        from {{ changes_of('int_fills_matched_in_plan') }} as matched
        inner join {{ ref('int_fills') }} as fills
            on fills.order_id in (matched.buy_order_id, matched.sell_order_id)

    )

    select
        symbol,
        min(filled_at) as from_at
    from changed
    group by symbol
{% endmacro %}
