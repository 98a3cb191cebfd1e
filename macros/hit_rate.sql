{#
    Win rate: wins over wins and losses; NULL without any. What broke even is in neither.

    wins, losses: numbers of trades.
#}
{% macro hit_rate(wins, losses) -%}
    cast({{ wins }} as {{ type_double() }})
    / nullif({{ wins }} + {{ losses }}, 0)
{%- endmacro %}
