{#
    The key of the advisory lock that the runner holds while it builds (runner/builds.py).
#}
{% macro builds_lock() -%}
    {{ return(7460113) }}
{%- endmacro %}
