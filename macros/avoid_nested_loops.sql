{#
    A pre-hook for a model that joins large relations on equality only: while the model is built, the
    planner avoids nested loops wherever it can.

    The planner guesses how many rows remain after conditions and windows. If it guesses one row, it may loop
    over all of a large relation for each row of another. A build from changes starts from few rows, and
    nested loops are right there.
#}
{% macro avoid_nested_loops() -%}
    {{ return(planner_without(['enable_nestloop'])) }}
{%- endmacro %}
