{#
    The name of an account or a currency; 'main' where the platform gives none, as with a single account.

    column: the raw column.
#}
{% macro name_or_main(column) -%}
    coalesce(nullif({{ trimmed(column) }}, ''), 'main')
{%- endmacro %}
