{#
    The table whose lock stands for a model in the books; it holds no rows. Any login can take an advisory
    lock; this lock needs a privilege on the schema of the books.

    name: the model's name in the books, as a SQL literal.
#}
{% macro lock_table(name) -%}
    {{ return(changes_table('lock__' ~ (name | replace("'", '') | replace('.', '__')))) }}
{%- endmacro %}
