{#
    An incremental strategy: replaces the affected rows with the rows just computed, and keeps the old and
    new image of each changed row for the models that read this one. Equal values that are written
    differently, such as 0 and -0 or 1.0 and 1.00, count as changed.

    Affected rows match is_affected(), or the condition `affected_where` in the model's meta, on `stored`
    and `affected`.
#}
{% macro get_incremental_exact_sql(arguments) %}
    {% set key = config.get('unique_key') %}
    {% set key = [key] if key is string else key %}
    {% set meta = config.get('meta', {}) %}
    {% set columns = arguments.dest_columns %}
    {% set images = changes_table(this.schema ~ '__' ~ this.identifier) %}
    {% set version %}
        (
            select relations.version + 1
            from {{ changes_table('relations') }} as relations
            where relations.relation = {{ relation_name(this) }}
        )
    {% endset %}
    with gone as (

        delete from {{ arguments.target_relation }} as stored
        using affected
        where
            {% if meta.get('follows') == 'whole' -%}
            affected.is_changed
            {%- elif meta.get('affected_where') -%}
            {{ meta.affected_where }}
            {%- else -%}
            {{ is_affected('stored') }}
            {%- endif %}
            and not exists (
                select from {{ arguments.temp_relation }} as fresh
                where
                    {% for column in key -%}
                    fresh.{{ column }} = stored.{{ column }} and {# -#}
                    {% endfor -%}
                    record_image_eq(
                        row({% for column in columns %}fresh.{{ column }}{{ ', ' if not loop.last }}{% endfor %}),
                        row({% for column in columns %}stored.{{ column }}{{ ', ' if not loop.last }}{% endfor %})
                    )
            )
        returning stored.*

    )

    insert into {{ images }} (_version, {{ columns | join(', ') }})
    select {{ version }}, {{ columns | join(', ') }}
    from gone;

    with come as (

        insert into {{ arguments.target_relation }} ({{ columns | join(', ') }})
        select {{ columns | join(', ') }}
        from {{ arguments.temp_relation }} as fresh
        where
            not exists (
                select from {{ arguments.target_relation }} as stored
                where
                    {% for column in key -%}
                    stored.{{ column }} = fresh.{{ column }}
                    {%- if not loop.last %} and {% endif %}
                    {%- endfor %}
            )
        returning *

    )

    insert into {{ images }} (_version, {{ columns | join(', ') }})
    select {{ version }}, {{ columns | join(', ') }}
    from come
{% endmacro %}
