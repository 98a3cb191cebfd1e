{#
    The condition that rows of two relations are of the same source: its type and name, account and currency.

    one, other: names of relations with these columns.
#}
{% macro same_source(one, other) -%}
    {% for column in ['source_type', 'source_name', 'account', 'currency'] -%}
        {{ one }}.{{ column }} = {{ other }}.{{ column }}
        {%- if not loop.last %}
        and {% endif -%}
    {%- endfor %}
{%- endmacro %}
