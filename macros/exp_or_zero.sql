{#
    The exponential of a number, 0 where it is below 1e-130: PostgreSQL takes an underflow for an
    error, and what is so small never shows in a sum with a 1.
#}
{% macro exp_or_zero(exponent) -%}
    case when {{ exponent }} > -300 then exp({{ exponent }}) else 0 end
{%- endmacro %}
