{#
    How many standard errors an interval of 95% reaches to either side of a mean whose spread was estimated
    as well: the quantile 0.975 of Student's t, as a double. A polynomial in 1 / degrees, fitted to the quantile:
    within 3e-10 of it from 4 degrees on.

    degrees: a column, the degrees of freedom, as a double.
#}
{% macro t_of_95_percent(degrees) -%}
    {%- set ns = namespace(sum="0") -%}
    {%- for coefficient in [
        0.5352728919, 0.75961232506, 1.5864777983, 2.5560127678, 2.8224950088, 2.3722712511
    ] -%}
        {%- set ns.sum = "(" ~ ns.sum ~ " + " ~ coefficient ~ ") / " ~ degrees -%}
    {%- endfor -%}
    {{ z_of_95_percent() }} + {{ ns.sum }}
{%- endmacro %}
