{#
    The condition that a number is finite, and neither so large nor so close to 0 that its powers
    would no longer be doubles.
#}
{% macro is_sane_double(number) -%}
    ({{ number }} = 0 or abs({{ number }}) between 1e-100 and 1e100)
{%- endmacro %}
