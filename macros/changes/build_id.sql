{#
    The id of the current build, as a SQL expression: dbt's invocation_id, or the id that the runner set in
    a round of a watch.
#}
{% macro build_id() -%}
    {{ return("current_setting('signal_marts.build_id')" if is_kept() else "'" ~ invocation_id ~ "'") }}
{%- endmacro %}
