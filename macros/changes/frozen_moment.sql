{#
    The exported snapshot under which all staging models read the landing tables in a build of the runner
    (runner/build/builds.py). None where dbt runs alone: each landing table is then read at its own moment.
#}
{% macro frozen_moment() %}
    {{ return(env_var('SIGNAL_MARTS_MOMENT', '')) }}
{% endmacro %}
