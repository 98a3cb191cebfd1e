{#
    The first pre-hook of all models: one of staging reads the landing tables as of the moment that the
    runner froze. Where the runner runs the statements itself, it takes the moment itself.
#}
{% macro take_moment() %}
    {% if execute and is_exact() and not parent_names() and frozen_moment() and not is_kept() %}
        commit;
        begin isolation level repeatable read;
        set transaction snapshot '{{ frozen_moment() }}'
    {% endif %}
{% endmacro %}
