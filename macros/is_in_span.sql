{#
    The join condition that a model version has a stage of stage_spans().

    model_id, moment: expressions for the version and the time or day.
    span: the name of the spans' CTE.
    by: `at` for a time, `date` for a day.
#}
{% macro is_in_span(model_id, moment, span, by) -%}
    {{ model_id }} = {{ span }}.model_id
    and {{ moment }} >= {{ span }}.counts_from_{{ by }}
    and (
        {{ span }}.counts_before_{{ by }} is null
        or {{ moment }} < {{ span }}.counts_before_{{ by }}
    )
{%- endmacro %}
