-- Grain: a model and a kind of training record that it left. Times are UTC.

{# The linter has no value for a var: the default of int is for it alone. #}
{% set window_size = var('training_window_steps') | int(1) %}

{{ config(pre_hook="{{ prefer_index_lookups() }}") }}

with blocks as (

    select * from {{ ref('int_training_blocks') }}

),

models as (

    select * from {{ ref('stg_ai__models') }}

),

numbered_blocks as (

    select
        *,
        sum(steps) over (
            partition by model_id, run_kind
            order by block_number
            rows between unbounded preceding and current row
        ) - steps as steps_before,
        sum(steps) over (
            partition by model_id, run_kind
            order by block_number desc
            rows between unbounded preceding and current row
        ) - steps as steps_after,
        row_number() over (
            partition by model_id, run_kind
            order by best_value desc, block_number asc
        ) as value_rank
    from blocks

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
        cast(
            min(steps_after + steps_since_best) filter (where value_rank = 1)
            as bigint
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
        steps_before < {{ window_size }}
        or steps_after < {{ window_size }}

),

outer_steps as (

    {{ training_steps('outer_blocks') }}

),

-- What is between the outer blocks comes after the first steps and before the last
-- ones: their positions are right without it.
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
        avg(step_value) filter (
            where step_position <= {{ window_size }}
        ) as first_mean_value,
        avg(step_value) filter (
            where reverse_position <= {{ window_size }}
        ) as last_mean_value,
        var_samp(step_value) filter (
            where step_position <= {{ window_size }}
        ) as first_variance,
        var_samp(step_value) filter (
            where reverse_position <= {{ window_size }}
        ) as last_variance
    from numbered_steps
    group by model_id, run_kind

),

-- With fewer steps than two windows, first and last are not apart.
compared as (

    select
        runs.*,
        ends.first_value,
        ends.last_value,
        ends.first_mean_value,
        ends.last_mean_value,
        runs.steps >= 2 * {{ window_size }} as is_long_enough,
        ends.last_mean_value - ends.first_mean_value as mean_change,
        coalesce(
            sqrt((ends.first_variance + ends.last_variance) / {{ window_size }}), 0
        ) as standard_error
    from runs
    inner join ends
        on
            runs.model_id = ends.model_id
            and runs.run_kind = ends.run_kind

),

judged as (

    select
        *,
        case when is_long_enough then mean_change end as improvement,
        case
            when is_long_enough then steps_since_best >= {{ window_size }}
        end as is_plateau,
        case
            when is_long_enough
                then
                    mean_change > 0
                    and mean_change >= 1.645 * standard_error
        end as is_improved
    from compared

),

training_runs as (

    select
        judged.model_id,
        models.model_name,
        models.model_version,
        models.model_type,
        judged.run_kind,
        judged.steps,
        judged.first_value,
        judged.last_value,
        judged.best_value,
        judged.first_mean_value,
        judged.last_mean_value,
        judged.improvement,
        judged.improvement / nullif(judged.standard_error, 0) as improvement_z_score,
        judged.steps_since_best,
        judged.is_plateau,
        judged.is_improved and not judged.is_plateau as is_learning,
        judged.first_step_at,
        judged.last_step_at,
        judged.available_at
    from judged
    left join models
        on judged.model_id = models.model_id

)

select * from training_runs
