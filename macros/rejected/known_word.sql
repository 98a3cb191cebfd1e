{#
    The project's word for what a raw column says in whatever case, with blanks around it, or in
    another spelling; NULL for any other word.

    column: the raw column.
    words: a mapping of each word to a list of its other spellings.
#}
{% macro known_word(column, words) -%}
    case lower({{ trimmed(column) }})
    {%- for word, spellings in words.items() -%}
        {%- for spelling in [word] + spellings %}
            when {{ dbt.string_literal(spelling | lower) }} then {{ dbt.string_literal(word) }}
        {%- endfor -%}
    {%- endfor %}
    end
{%- endmacro %}
