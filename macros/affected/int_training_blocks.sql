{# The block of a changed step. #}
{% macro affected_int_training_blocks() %}
    select
        model_id,
        'episodes' as run_kind,
        {{ step_block(number='episode_number') }} as block_number
    from {{ changes_of('stg_ai__rl_training_episodes') }} as episodes

    union

    select
        model_id,
        'generations' as run_kind,
        {{ step_block(number='generation_number') }} as block_number
    from {{ changes_of('stg_ai__genetic_generations') }} as generations

    union

    select
        model_id,
        'analyses' as run_kind,
        {{ step_block(date=utc_date('created_at')) }} as block_number
    from {{ changes_of('stg_ai__spectrum_analyses') }} as analyses
{% endmacro %}
