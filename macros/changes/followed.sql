{#
    A parent to read from, under its own name: all its rows if the model is built in full, and only the
    rows that the affected rows need if the model is built from changes.

    model_name: the parent.
    by: the parent's columns, or expressions on them, that are compared with `affected`, as a select list;
        by default the expressions of `follows` in the model's meta, else the columns of the same names.
        No default if the model follows the parent through another one, or in several ways.
    keys: the columns of `affected` to compare with; by default all.
    where: a condition on `stored`, a row of the parent, and `affected`, instead of `by`, if only this can
        use an index, such as the times of a day. It runs once per affected row, and a row of the parent
        may match only one affected row.

    Where a suffix is affected, the parent has the model's columns for it under the same names.
#}
{% macro followed(model_name, by=none, keys=none, where=none) -%}
    {# The model's config is not known yet while dbt parses the project. #}
    {%- set follows = config.get('meta', {}).get('follows', {}) if execute else {} -%}
    {%- set way = follows.get(model_name) -%}
    {%- if not by and not where and way is not none and way is not string -%}
        {{ exceptions.raise_compiler_error(
            model.name ~ ' does not follow ' ~ model_name ~ ' by columns alone: say by= which columns'
            ~ ' of it are the keys, or where=, or read it with ref()'
        ) }}
    {%- endif -%}
    {%- if is_from_changes() and where -%}
        (
            select {{ model_name }}.*
            from affected
            cross join lateral (
                select stored.*
                from {{ ref(model_name) }} as stored
                where {{ where }}
                {{ kept_apart() }}
            ) as {{ model_name }}
        ) as {{ model_name }}
    {%- elif is_from_changes() and affected_suffix() -%}
        (
            select {{ model_name }}.*
            from {{ ref(model_name) }} as {{ model_name }}
            inner join affected
                on {{ is_affected(model_name) }}
        ) as {{ model_name }}
    {%- elif is_from_changes() -%}
        {%- set keys = keys or affected_columns() | join(', ') -%}
        (
            select *
            from {{ ref(model_name) }}
            where
                ({{ by or way or keys }})
                in (select {{ keys }} from affected)
        ) as {{ model_name }}
    {%- else -%}
        {{ ref(model_name) }} as {{ model_name }}
    {%- endif -%}
{%- endmacro %}
