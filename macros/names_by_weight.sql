{#
    The names of a group's rows as one text, the heaviest first and at the same weight by name,
    with a comma between them. NULL where no row fulfils the condition. An aggregate.

    name: a text, never NULL.
    weight: a number to order by.
    condition: which rows count.
#}
{% macro names_by_weight(name, weight, condition) -%}
    {{ return(adapter.dispatch('names_by_weight')(name, weight, condition)) }}
{%- endmacro %}

{% macro default__names_by_weight(name, weight, condition) -%}
    string_agg({{ name }}, ', ' order by {{ weight }} desc, {{ name }} asc)
        filter (where {{ condition }})
{%- endmacro %}

{% macro spark__names_by_weight(name, weight, condition) -%}
    nullif(
        array_join(
            transform(
                sort_array(collect_list(
                    case
                        when {{ condition }}
                            then struct(-1 * {{ weight }} as minus_weight, {{ name }} as name)
                    end
                )),
                entry -> entry.name
            ),
            ', '
        ),
        ''
    )
{%- endmacro %}
