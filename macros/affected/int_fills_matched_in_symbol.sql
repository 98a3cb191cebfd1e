{#
    In a symbol, the units from the first one on that a changed fill holds or held. It follows an
    unchanged fill of its side, so a cut lies there before and after.
#}
{% macro affected_int_fills_matched_in_symbol() %}
    select
        symbol,
        min(last_unit - quantity) as from_unit
    from {{ changes_of('int_fills_left_by_plans') }} as fills
    group by symbol
{% endmacro %}
