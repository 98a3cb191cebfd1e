{#
    The reason of a row whose time is too late: each build checks the row again, and uses it when its time
    has come.
#}
{% macro too_late() -%}
    'later than a day after the newest moment of the primary'
{%- endmacro %}
