{#
    A query for the spans in which a model version has one stage: model_id, stage, and the moments and the
    days from which, and before which, it counts.
#}
{% macro stage_spans() -%}
    select
        model_id,
        stage,
        counts_from_at,
        counts_from_date,
        lead(counts_from_at) over next_stage as counts_before_at,
        lead(counts_from_date) over next_stage as counts_before_date
    from {{ ref('int_model_stages') }}
    window
        next_stage as (
            partition by model_id
            order by counts_from_at, stage_id
        )
{%- endmacro %}
