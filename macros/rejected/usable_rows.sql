{#
    A query for the rows of a raw table that its staging model can use; in a build from changes, only among
    the affected rows. Unusable rows are in operations.rejected_rows.

    relation: the raw table.
    rules: a list of rules (rule_condition), which the model's meta also has.
#}
{% macro usable_rows(relation, rules) -%}
    {{ return(adapter.dispatch('usable_rows')(relation, rules)) }}
{%- endmacro %}

{% macro default__usable_rows(relation, rules) -%}
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

{#
    Rows for the same thing are ranked and compared in windows: Spark has no subquery in a condition with `or`.
#}
{% macro spark__usable_rows(relation, rules) -%}
    select *
    from (
        select
            {% for rule in rules if rule[1] == 'first' -%}
            min({{ rule[3] }}) over (partition by {{ rule[2] | join(', ') }}) as _first_place,
            {% endfor -%}
            *
        from (
            select
                {% for rule in rules if rule[1] == 'first_spelling' -%}
                row_number() over (
                    partition by {{ trimmed(rule[0]) }}, {{ rule[2] | join(', ') }}
                    order by {{ rule[0] }} <> {{ trimmed(rule[0]) }}, {{ rule[0] }}
                ) as _spelling,
                {% endfor -%}
                *
            from {{ relation }}
        ) as spelled
        where
            {{ rules_condition(relation, rules) }}
    ) as kept
    {% for rule in rules if rule[1] == 'first' -%}
    where {{ rule[3] }} = _first_place
    {%- endfor %}
{%- endmacro %}
