{#
    For a rule of the kind `first`: the condition that a usable row for the same thing comes before this row.

    relation: the raw table.
    rules: its rules. The rule `first` names a column, the expressions that are equal in rows for the same
        thing, the column that orders these rows, and the reason to give.
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
