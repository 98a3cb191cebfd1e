{#
    A digest of a model's descriptions and grants, which dbt writes into the database besides the rows.
#}
{% macro model_presentation() -%}
    {%- set parts = [model.description, model.config.grants | tojson] -%}
    {%- for column in model.columns.values() -%}
        {%- do parts.append(column.name ~ ' ' ~ column.description) -%}
    {%- endfor -%}
    {{ return(local_md5(parts | join('\n'))) }}
{%- endmacro %}
