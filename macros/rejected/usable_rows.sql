{#
    A query for the rows of a raw table that its model of staging can use, of those that are affected
    where that is built from changes. The others are in operations.rejected_rows.

    relation: the raw table.
    rules: a list of what a row must keep to (rule_condition), which the model's meta has as well.
#}
{% macro usable_rows(relation, rules) -%}
    select *
    from {{ relation }}
    where
        {{ rules_condition(relation, rules) }}
        {% if rules | selectattr(1, 'equalto', 'first') | list %}
        and not {{ rows_before(relation, rules) }}
        {% endif %}
        {% if is_from_changes() %}
        and {{ is_affected_in_landing() }}
        {% endif %}
{%- endmacro %}
