{#
    A digest of what is said of a model and to whom it is granted, which dbt writes into the database
    besides its rows.
#}
{% macro model_presentation() -%}
    {%- set parts = [model.description, model.config.grants | tojson] -%}
    {%- for column in model.columns.values() -%}
        {%- do parts.append(column.name ~ ' ' ~ column.description) -%}
    {%- endfor -%}
    {{ return(local_md5(parts | join('\n'))) }}
{%- endmacro %}
