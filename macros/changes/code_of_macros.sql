{#
    The code of the named macros and of all project macros that they call, without comments.
#}
{% macro code_of_macros(names) -%}
    {%- set code = [] -%}
    {# The loop adds to the list that it reads. #}
    {%- for name in names -%}
        {%- set found = context[name].macro -%}
        {%- do code.append(modules.re.sub('(?s){#.*?#}', '', found.macro_sql)) -%}
        {%- for id in found.depends_on.macros if id.startswith('macro.' ~ project_name ~ '.') -%}
            {%- set called = id.split('.') | last -%}
            {%- if called not in names -%}
                {%- do names.append(called) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {# dbt lists the called macros in no fixed order. #}
    {{ return(code | sort | join('\n')) }}
{%- endmacro %}
