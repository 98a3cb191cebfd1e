{#
    The condition that no other row has the same key apart from blanks around its first column, or that this
    row goes first among them: the row without blanks, else the first in alphabetical order.

    relation: the raw table.
    column: the first column of its key.
    others: the key's other columns.
#}
{% macro is_first_spelling(relation, column, others) -%}
    {{ return(adapter.dispatch('is_first_spelling')(relation, column, others)) }}
{%- endmacro %}

{% macro default__is_first_spelling(relation, column, others) -%}
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

{#
    Ranked by usable_rows.
#}
{% macro spark__is_first_spelling(relation, column, others) -%}
    _spelling = 1
{%- endmacro %}
