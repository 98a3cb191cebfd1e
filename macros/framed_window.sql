{#
    A named window to which a frame is added, as in `over (name rows …)`. Spark has no frame beside a name,
    so the window's clauses stand there again.

    name: the window's name.
    clauses: its clauses, which have no frame.
#}
{% macro framed_window(name, clauses) -%}
    {{ return(adapter.dispatch('framed_window')(name, clauses)) }}
{%- endmacro %}

{% macro default__framed_window(name, clauses) -%}
    {{ name }}
{%- endmacro %}

{% macro spark__framed_window(name, clauses) -%}
    {{ clauses }}
{%- endmacro %}
