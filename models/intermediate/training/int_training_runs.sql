-- Grain: a model and a kind of training record that it left. Times are UTC.

{# The linter has no value for a var: the default of int is for it alone. #}
{% set window_size = var('training_window_steps') | int(1) %}

{{ config(
    unique_key=['model_id', 'run_kind'],
    meta={'follows': 'whole'},
    pre_hook="{{ prefer_index_lookups() }}"
) }}

with numbered_blocks as (

    select
        *,
        sum(steps) over whole_run as run_steps,
        sum(steps) over steps_so_far as steps_up_to,
        max(best_value) over whole_run as run_best_value
    from {{ ref('int_training_blocks') }}
    window
        whole_run as (
            partition by model_id, run_kind
            order by block_number
            rows between unbounded preceding and unbounded following
        ),
        steps_so_far as (
            partition by model_id, run_kind
            order by block_number
            rows between unbounded preceding and current row
        )

),

runs as (

    select
        model_id,
        run_kind,
        cast(sum(steps) as bigint) as steps,
        min(first_step_at) as first_step_at,
        max(last_step_at) as last_step_at,
        max(available_at) as available_at,
        max(best_value) as best_value,
        -- Of equal best values, the one reached first.
        cast(
            max(run_steps - steps_up_to + steps_since_best) filter (
                where best_value = run_best_value
            ) as bigint
        ) as steps_since_best
    from numbered_blocks
    group by model_id, run_kind

),

-- The blocks that the first and the last steps are in.
outer_blocks as (

    select
        model_id,
        run_kind,
        block_number
    from numbered_blocks
    where
        steps_up_to - steps < {{ window_size }}
        or run_steps - steps_up_to < {{ window_size }}

),

outer_steps as (

    {{ training_steps('outer_blocks') }}

),

-- Blocks between the outer ones come after the first steps and before the last ones:
-- their positions are right without them.
numbered_steps as (

    select
        *,
        row_number() over (
            partition by model_id, run_kind
            order by step_at, step_number
        ) as step_position,
        row_number() over (
            partition by model_id, run_kind
            order by step_at desc, step_number desc
        ) as reverse_position
    from outer_steps

),

ends as (

    select
        model_id,
        run_kind,
        min(step_value) filter (where step_position = 1) as first_value,
        min(step_value) filter (where reverse_position = 1) as last_value,
        {{ aggregate_in_order('avg', 'step_value', 'step_position') }} filter (
            where step_position <= {{ window_size }}
        ) as first_mean_value,
        {{ aggregate_in_order('avg', 'step_value', 'reverse_position') }} filter (
            where reverse_position <= {{ window_size }}
        ) as last_mean_value,
        {{ aggregate_in_order('var_samp', 'step_value', 'step_position') }} filter (
            where step_position <= {{ window_size }}
        ) as first_variance,
        {{ aggregate_in_order('var_samp', 'step_value', 'reverse_position') }} filter (
            where reverse_position <= {{ window_size }}
        ) as last_variance
    from numbered_steps
    group by model_id, run_kind

),

training_runs as (

    select
        runs.*,
        ends.first_value,
        ends.last_value,
        ends.first_mean_value,
        ends.last_mean_value,
        ends.first_variance,
        ends.last_variance
    from runs
    inner join ends
        on
            runs.model_id = ends.model_id
            and runs.run_kind = ends.run_kind

)

select * from training_runs
