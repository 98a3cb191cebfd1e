{#
    The reason of a row that is of a later moment than it may be: it is looked at again in each build,
    and used when its time has come.
#}
{% macro too_late() -%}
    'later than a day after the newest moment of the primary'
{%- endmacro %}
