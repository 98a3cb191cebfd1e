{#
    The condition that a raw row keeps all rules except `first`.

    relation: the raw table.
    rules: a list of rules (rule_condition).
#}
{% macro rules_condition(relation, rules) -%}
    {%- for rule in rules if rule[1] != 'first' -%}
        {{ rule_condition(relation, rule) }}
        {%- if not loop.last %}
        and {% endif -%}
    {%- endfor -%}
{%- endmacro %}
