{#
    The project's word for the value of a raw column, in any case, with blanks around it, or in a known
    other spelling; NULL for any other value.

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
