{#
    The condition that no other row has the same key but for blanks around its first column, or that
    this row goes first: the one without blanks, or else the first by the alphabet.

    relation: the raw table.
    column: the first column of its key.
    others: the key's other columns.
#}
{% macro is_first_spelling(relation, column, others) -%}
    {{ column }} = {{ trimmed(column) }}
    or not exists (
        select
        from (
            select
                {% for other in others -%}
                {{ other }} as _{{ other }},
                {% endfor -%}
                {{ column }} as _spelling
        ) as landed
        inner join ({{ spellings(relation, column) }}) as spellings
            on {{ trimmed('landed._spelling') }} = {{ trimmed('spellings.' ~ column) }}
        inner join {{ relation }} as other
            on
                {% for other in others -%}
                landed._{{ other }} = other.{{ other }} and
                {% endfor -%}
                spellings.{{ column }} = other.{{ column }}
        where
            other.{{ column }} = {{ trimmed('landed._spelling') }}
            or other.{{ column }} < landed._spelling
    )
{%- endmacro %}
