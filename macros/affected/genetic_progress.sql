{#
    Of a model, the generations from the first changed one on: each looks back on all before it.
#}
{% macro affected_genetic_progress() %}
    {{ affected_from_number(
        'stg_ai__genetic_generations', 'generation_number', looks_back=1
    ) }}
{% endmacro %}
