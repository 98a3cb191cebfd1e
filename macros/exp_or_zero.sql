{#
    The exponential of a number, or 0 if the result is below 1e-130: PostgreSQL raises an error for an
    underflow, and so small a term never shows in a sum with a 1.
#}
{% macro exp_or_zero(exponent) -%}
    case when {{ exponent }} > -300 then exp({{ exponent }}) else 0 end
{%- endmacro %}
