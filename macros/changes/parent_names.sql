{#
    The names of the models that this one reads, as a list of SQL literals. An incremental model may
    read only such models: what others changed is told nowhere.
#}
{% macro parent_names() -%}
    {%- set names = [] -%}
    {%- for id in model.depends_on.nodes if id in graph.nodes -%}
        {%- set parent = graph.nodes[id] -%}
        {%- if parent.config.get('incremental_strategy') != 'exact' -%}
            {{ exceptions.raise_compiler_error(
                model.name ~ ' is kept up by changes and reads ' ~ parent.name
                ~ ', whose changes nobody keeps: make that incremental, or this a table'
            ) }}
        {%- endif -%}
        {%- do names.append("'" ~ parent.schema ~ '.' ~ parent.alias ~ "'") -%}
    {%- endfor -%}
    {{ return(names) }}
{%- endmacro %}
