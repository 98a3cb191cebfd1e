{#
    Whether the model is kept up by changes: materialized as incremental, with the strategy `exact`.
#}
{% macro is_exact() -%}
    {{ return(
        config.get('materialized') == 'incremental'
        and config.get('incremental_strategy') == 'exact'
    ) }}
{%- endmacro %}
