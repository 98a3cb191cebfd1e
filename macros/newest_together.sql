{#
    The order in which a full build keeps a model's rows: what is new lies on few pages, however long
    the history is, for the builds from changes and for who looks at the last days. A build from
    changes writes where there is room, which is where it has just deleted.
#}
{% macro newest_together(column) -%}
    {{ return(adapter.dispatch('newest_together')(column)) }}
{%- endmacro %}

{% macro default__newest_together(column) -%}
    {%- if not is_from_changes() -%} order by {{ column }} {%- endif -%}
{%- endmacro %}

{% macro spark__newest_together(column) -%}
{%- endmacro %}
