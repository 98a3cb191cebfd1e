{#
    A subquery, to be joined laterally to `affected`, for the last rows that the model has stored of the
    same group before the bound: what the changed ones look back on.

    rows: how many.
#}
{% macro stored_before(rows=1) -%}
    {%- set suffix = affected_suffix() -%}
    (
        select stored.*
        from {{ this }} as stored
        where
            {% for column in affected_columns() -%}
                stored.{{ column }} = affected.{{ column }} and {# -#}
            {% endfor -%}
            stored.{{ suffix.column }} < affected.{{ suffix.bound }}
        order by stored.{{ suffix.column }} desc
        limit {{ rows }}
    )
{%- endmacro %}
