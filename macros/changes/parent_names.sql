{#
    The names of the model's parents that are kept up by changes, as a list of SQL literals. A model that is
    kept up by changes may read only such parents: no other model records its changed rows.
#}
{% macro parent_names() -%}
    {%- set names = [] -%}
    {%- for id in model.depends_on.nodes if id in graph.nodes -%}
        {%- set parent = graph.nodes[id] -%}
        {%- if
            parent.config.get('materialized') == 'incremental'
            and parent.config.get('incremental_strategy') == 'exact'
        -%}
            {%- do names.append("'" ~ parent.schema ~ '.' ~ parent.alias ~ "'") -%}
        {%- elif is_exact() -%}
            {{ exceptions.raise_compiler_error(
                model.name ~ ' is kept up by changes and reads ' ~ parent.name
                ~ ', whose changes nobody keeps: make that incremental, or this a table'
            ) }}
        {%- endif -%}
    {%- endfor -%}
    {{ return(names) }}
{%- endmacro %}
