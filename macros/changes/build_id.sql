{#
    The build that is at work, as a SQL literal: dbt's invocation_id; of a round of a watch, what the
    runner set.
#}
{% macro build_id() -%}
    {{ return("current_setting('signal_marts.build_id')" if is_kept() else "'" ~ invocation_id ~ "'") }}
{%- endmacro %}
