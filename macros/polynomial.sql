{#
    A polynomial by Horner's scheme, in doubles.

    coefficients: numbers as strings, the coefficient of power 0 first.
    x: a column or expression that holds a double.
#}
{% macro polynomial(coefficients, x) -%}
    {%- set ascending = require_list('polynomial', 'coefficients', coefficients) -%}
    {%- set highest = 'cast(' ~ ascending[-1] ~ ' as ' ~ type_double() ~ ')' -%}
    {%- set sum = namespace(sql=highest) -%}
    {%- for coefficient in ascending[:-1] | reverse -%}
        {%- set sum.sql = '(' ~ coefficient ~ ' + ' ~ x ~ ' * ' ~ sum.sql ~ ')' -%}
    {%- endfor -%}
    {{ sum.sql }}
{%- endmacro %}
