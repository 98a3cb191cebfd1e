{#
    A digest of what a model's rows depend on besides its parents: its SQL, the variables that it
    names, the columns of its sources, and the types that its contract gives its own. Where it differs from the one that the rows were built
    with, they are built anew. Code of macros is not in it: after a change there, build with
    --full-refresh.
#}
{% macro model_definition() -%}
    {%- set parts = [model.raw_code] -%}
    {%- for name in modules.re.findall("var\\('(\\w+)'", model.raw_code) -%}
        {%- do parts.append(name ~ '=' ~ (var(name) | tojson)) -%}
    {%- endfor -%}
    {%- for id in model.depends_on.nodes if id in graph.sources -%}
        {%- for column in graph.sources[id].columns.values() -%}
            {%- do parts.append(column.name ~ ' ' ~ column.data_type) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- if model.contract.enforced -%}
        {%- for column in model.columns.values() -%}
            {%- do parts.append(column.name ~ ' ' ~ column.data_type) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(local_md5(parts | join('\n'))) }}
{%- endmacro %}
