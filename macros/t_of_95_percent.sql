{#
    How many standard errors an interval of 95% reaches to either side of a mean whose spread was estimated
    as well: the quantile 0.975 of Student's t, as a double. The expansion of Fisher and Cornish 1960
    is within 0.03% of it from 4 degrees on.

    degrees: a column, the degrees of freedom, as a double.
#}
{% macro t_of_95_percent(degrees) -%}
    {%- set z = z_of_95_percent() -%}
    {{ z }}
    + {{ (z ** 3 + z) / 4 }} / {{ degrees }}
    + {{ (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96 }} / power({{ degrees }}, 2)
    + {{ (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384 }} / power({{ degrees }}, 3)
    + {{ (79 * z ** 9 + 776 * z ** 7 + 1482 * z ** 5 - 1920 * z ** 3 - 945 * z) / 92160 }}
    / power({{ degrees }}, 4)
{%- endmacro %}
