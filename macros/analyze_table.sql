{#
    Fresh statistics for a table that was just built. Without them the planner takes the table for
    small, and the models that read it later in the same run may get nested loops over all of it.
    What is added to it later is left to autovacuum.
#}
{% macro analyze_table() -%}
    {{ return(adapter.dispatch('analyze_table')()) }}
{%- endmacro %}

{% macro default__analyze_table() -%}
    {%- if
        model.config.materialized in ('table', 'incremental')
        and not (is_incremental() or is_from_changes())
    -%}
        analyze {{ this }}
    {%- endif -%}
{%- endmacro %}

{% macro spark__analyze_table() -%}
{%- endmacro %}
