{#
    The first pre-hook of all models: staging models read the landing tables under the snapshot that the
    runner exported. In a round without dbt, the runner sets the snapshot itself.
#}
{% macro take_moment() %}
    {% if execute and is_exact() and not parent_names() and frozen_moment() and not is_kept() %}
        commit;
        begin isolation level repeatable read;
        set transaction snapshot '{{ frozen_moment() }}'
    {% endif %}
{% endmacro %}
