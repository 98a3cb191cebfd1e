{#
    The table whose lock stands for a model in the books. Nothing is stored in it. Any login could hold
    an advisory lock; this one takes a privilege on the schema of the books.

    name: the model's name in the books, as a SQL literal.
#}
{% macro lock_table(name) -%}
    {{ return(changes_table('lock__' ~ (name | replace("'", '') | replace('.', '__')))) }}
{%- endmacro %}
