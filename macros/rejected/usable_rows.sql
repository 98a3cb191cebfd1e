{#
    A query for the rows of a raw table that its staging model can use; in a build from changes, only among
    the affected rows. Unusable rows are in operations.rejected_rows.

    relation: the raw table.
    rules: a list of rules (rule_condition), which the model's meta also has.
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
