{#
    Fresh statistics for a table that was just built. Without them the planner assumes a small table, and
    models that read it later in the same run may get nested loops over all its rows. Autovacuum covers
    rows that are added later.
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
