{#
    A pre-hook for a model that joins large relations on equality only: while it is built, the
    planner does without nested loops wherever it can.

    It guesses the size of what conditions and windows leave, and where it guesses one row, it may
    loop over all of a large relation for each row of another. A build from changes starts from few
    rows, and there nested loops are what is wanted.
#}
{% macro avoid_nested_loops() -%}
    {{ return(planner_without(['enable_nestloop'])) }}
{%- endmacro %}
