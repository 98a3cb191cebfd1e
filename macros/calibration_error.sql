{#
    The expected calibration error of a row of health_sums(): by how much the ten bins of confidence missed,
    over all outcomes. NULL without outcomes.

    relation: the name of the relation that has the row.
#}
{% macro calibration_error(relation) -%}
    cast(
    {%- for bin in range(1, 11) %}
        {{ '+ ' if not loop.first }}abs({{ relation }}.missed_{{ bin }})
    {%- endfor %} as {{ type_double() }}
    ) / nullif({{ relation }}.outcomes, 0)
{%- endmacro %}
