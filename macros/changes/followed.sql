{#
    A parent to read from, under its own name: all of it where the model is built in full, and where it
    is built from changes, the rows that the affected ones are made from.

    model_name: the parent.
    by: the parent's columns, or expressions on them, whose values are those of `affected`, as a select
        list; by default as the model's meta says that it follows the parent, or else by their names.
        Where the model follows it through another one, or in several ways, there is no default.
    keys: the columns of `affected` that they are compared with; by default all.
    where: a condition on `stored`, a row of the parent, and `affected`, instead of `by`: where an index
        serves that alone, as for the times of a day. It is looked up for each affected row by itself,
        and no row of the parent may be of two of them.

    Where a suffix is affected, the parent has the model's columns for it under the same names.
#}
{% macro followed(model_name, by=none, keys=none, where=none) -%}
    {# What a model's config says is not known while dbt reads the project. #}
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
