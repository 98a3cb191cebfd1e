{#
    The exported snapshot under which all models of staging read the landing tables, where the runner
    builds (runner/build/builds.py); none where dbt runs alone, and reads each table as of its own
    moment.
#}
{% macro frozen_moment() %}
    {{ return(env_var('SIGNAL_MARTS_MOMENT', '')) }}
{% endmacro %}
