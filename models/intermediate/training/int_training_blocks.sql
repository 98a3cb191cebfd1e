-- Grain: a block of a model's training steps of one kind: a hundred numbers, or a UTC
-- day of steps without a number. Times are UTC.

{% set follows = {} %}
{% for run_kind, steps, number, value in training_kinds() %}
    {% do follows.update(
        {steps: "model_id, '" ~ run_kind ~ "', " ~ training_block(number)}
    ) %}
{% endfor %}

{{ config(
    unique_key=['model_id', 'run_kind', 'block_number'],
    meta={'follows': follows}
) }}

with steps as (

    {{ training_steps('affected' if is_from_changes() else none) }}

),

numbered_steps as (

    select
        *,
        row_number() over (
            partition by model_id, run_kind, block_number
            order by step_at desc, step_number desc
        ) as reverse_position,
        row_number() over (
            partition by model_id, run_kind, block_number
            order by step_value desc, step_at asc, step_number asc
        ) as value_rank
    from steps

),

training_blocks as (

    select
        model_id,
        run_kind,
        block_number,
        count(*) as steps,
        min(step_value) filter (where value_rank = 1) as best_value,
        min(reverse_position) filter (where value_rank = 1) - 1 as steps_since_best,
        min(created_at) as first_step_at,
        max(created_at) as last_step_at,
        max(available_at) as available_at
    from numbered_steps
    group by model_id, run_kind, block_number

)

select * from training_blocks
