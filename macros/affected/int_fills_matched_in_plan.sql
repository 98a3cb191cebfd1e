{% macro affected_int_fills_matched_in_plan() %}
    select distinct trade_plan_id
    from {{ changes_of('int_fills') }} as fills
    where trade_plan_id is not null
{% endmacro %}
