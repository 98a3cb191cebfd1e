{#
    The order in which a full build stores a model's rows: new rows lie on few pages, however long the
    history is, for builds from changes and for readers of the last days. A build from changes writes where
    there is room, mostly where it has just deleted.
#}
{% macro newest_together(column) -%}
    {{ return(adapter.dispatch('newest_together')(column)) }}
{%- endmacro %}

{% macro default__newest_together(column) -%}
    {%- if not is_from_changes() -%} order by {{ column }} {%- endif -%}
{%- endmacro %}

{% macro spark__newest_together(column) -%}
{%- endmacro %}
