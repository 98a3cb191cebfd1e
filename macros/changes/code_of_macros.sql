{#
    The code of this project's macros with these names and of all that they call, without comments.
#}
{% macro code_of_macros(names) -%}
    {%- set code = [] -%}
    {# The list grows while it is gone through. #}
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
    {# dbt knows what a macro calls in no order. #}
    {{ return(code | sort | join('\n')) }}
{%- endmacro %}
