{#
    The bin of a confidence, 1 to 10: ten bins of equal width over 0 to 1, closed on the right, as
    in scikit-learn's calibration_curve; 0 is in the first bin. width_bucket would close bins on the left.
    The cast makes a confidence such as 0.1 + 0.2 equal to 0.3.

    confidence: a column from 0 to 1.
#}
{% macro confidence_bin(confidence) -%}
    greatest(1, cast(ceil(cast({{ confidence }} as numeric(18, 12)) * 10) as integer))
{%- endmacro %}
