{#
    Of a rule `first`, the condition that a usable row comes before this one and means the same.

    relation: the raw table.
    rules: its rules. That of the kind `first` names a column, expressions that are the same in such
        rows, the column that orders them, and the reason to give.
#}
{% macro rows_before(relation, rules) -%}
    {%- for rule in rules if rule[1] == 'first' -%}
        exists (
            select
            from (
                select
                    {% for same in rule[2] -%}
                    {{ same }} as _same_{{ loop.index }},
                    {% endfor -%}
                    {{ rule[3] }} as _place
                from {{ relation }}
                where {{ rules_condition(relation, rules) }}
            ) as other
            where
                {% for same in rule[2] -%}
                other._same_{{ loop.index }} = {{ same }} and
                {% endfor -%}
                other._place < {{ rule[3] }}
        )
    {%- endfor -%}
{%- endmacro %}
