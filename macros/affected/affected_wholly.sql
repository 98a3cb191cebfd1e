{# All rows of a model that are few, if anything changed of those that it reads. #}
{% macro affected_wholly(parents) %}
    select true as is_changed
    where
        {% for parent in parents %}
            exists (select from {{ changes_of(parent) }} as changed)
            {{ 'or' if not loop.last }}
        {% endfor %}
{% endmacro %}
