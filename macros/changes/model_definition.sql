{#
    A digest of all that a model's rows depend on, besides its parents' rows. If it differs from the digest
    that the rows were built with, the model is built in full. It covers the rendered SQL with all macros
    and variables, both in full and from changes: rows kept up by other SQL may be wrong too. An edit that
    renders to the same SQL does not change it. Macros that keep the books render differently in each
    build, so the digest has their code. Indexes are made with the table, so they are part of it.

    It takes some milliseconds, so the graph keeps it for later builds of the same process.
#}
{% macro model_definition() -%}
    {%- set node = graph.nodes[model.unique_id] -%}
    {%- if 'definition' not in node -%}
        {%- set parts = [] -%}
        {%- for form in ('full', 'changes') -%}
            {%- do node.update({'rendered': form}) -%}
            {%- do parts.append(render(model.raw_code)) -%}
        {%- endfor -%}
        {%- do parts.append(affected_keys()) -%}
        {%- do parts.append(get_incremental_exact_sql({
            'target_relation': this,
            'temp_relation': 'fresh',
            'dest_columns': model.columns,
        })) -%}
        {%- do node.pop('rendered') -%}
        {# The database may have another name after a restore. #}
        {%- set parts = [parts | join('\n') | replace('"' ~ this.database ~ '".', '')] -%}
        {%- do parts.append(config.get('indexes', []) | tojson) -%}
        {%- for id in model.depends_on.nodes if id in graph.sources -%}
            {# Keys have the platform's types. #}
            {%- set table = graph.sources[id] -%}
            {%- for column in adapter.get_columns_in_relation(source(table.source_name, table.name)) -%}
                {%- do parts.append(column.name ~ ' ' ~ column.data_type) -%}
            {%- endfor -%}
        {%- endfor -%}
        {%- if model.contract.enforced -%}
            {%- for column in model.columns.values() -%}
                {%- do parts.append(column.name ~ ' ' ~ column.data_type) -%}
            {%- endfor -%}
        {%- endif -%}
        {%- do parts.append(code_of_macros([
            'materialization_incremental_postgres',
            'collect_affected',
            'publish_changes'
        ])) -%}
        {%- do node.update({'definition': local_md5(parts | join('\n'))}) -%}
    {%- endif -%}
    {{ return(node.definition) }}
{%- endmacro %}
