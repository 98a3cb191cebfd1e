{#
    A subquery, to be joined laterally to `affected`: the last stored rows of the same group before the
    bound, which the changed rows look back on.

    rows: the number of rows.
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
