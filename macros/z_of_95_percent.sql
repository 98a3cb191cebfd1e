{#
    How many standard errors an interval of 95% reaches to either side of a normal figure.
#}
{% macro z_of_95_percent() -%}
    {{ return(1.959963984540054) }}
{%- endmacro %}
