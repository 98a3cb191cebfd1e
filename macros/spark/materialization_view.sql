{#
    On Spark views are tables as well: a query that Spark refuses fails in the build.
#}
{% materialization view, adapter='spark' %}
    {{ return(materialization_table_spark()) }}
{% endmaterialization %}
