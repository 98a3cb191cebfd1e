-- Grain: a model and a kind of training record that it left. Times are UTC.

{# The linter has no value for a var: the default of int is for it alone. #}
{% set window_size = var('training_window_steps') | int(1) %}

with episodes as (

    select * from {{ ref('stg_ai__rl_training_episodes') }}

),

generations as (

    select * from {{ ref('stg_ai__genetic_generations') }}

),

analyses as (

    select * from {{ ref('stg_ai__spectrum_analyses') }}

),

models as (

    select * from {{ ref('stg_ai__models') }}

),

-- One shape for all: a step, its place in the order, and a value of which more is
-- better. Analyses have no number of their own.
steps as (

    select
        model_id,
        'episodes' as run_kind,
        cast(episode_number as bigint) as step_number,
        total_reward as step_value,
        created_at,
        available_at
    from episodes

    union all

    select
        model_id,
        'generations' as run_kind,
        cast(generation_number as bigint) as step_number,
        best_fitness as step_value,
        created_at,
        available_at
    from generations

    union all

    select
        model_id,
        'analyses' as run_kind,
        row_number() over (
            partition by model_id
            order by created_at, analysis_id
        ) as step_number,
        pattern_confidence as step_value,
        created_at,
        available_at
    from analyses

),

-- A step without a value says nothing of learning.
numbered as (

    select
        *,
        row_number() over (
            partition by model_id, run_kind
            order by step_number
        ) as step_position,
        row_number() over (
            partition by model_id, run_kind
            order by step_number desc
        ) as reverse_position
    from steps
    where step_value is not null

),

bests as (

    select
        *,
        row_number() over (
            partition by model_id, run_kind
            order by step_value desc, step_position asc
        ) as value_rank
    from numbered

),

summed as (

    select
        model_id,
        run_kind,
        count(*) as steps,
        min(created_at) as first_step_at,
        max(created_at) as last_step_at,
        max(available_at) as available_at,
        min(step_value) filter (where step_position = 1) as first_value,
        min(step_value) filter (where reverse_position = 1) as last_value,
        max(step_value) as best_value,
        min(reverse_position) filter (where value_rank = 1)
        - 1 as steps_since_best,
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
    from bests
    group by model_id, run_kind

),

-- With fewer steps than two windows, first and last are not apart.
compared as (

    select
        *,
        steps >= 2 * {{ window_size }} as is_long_enough,
        last_mean_value - first_mean_value as mean_change,
        coalesce(
            sqrt((first_variance + last_variance) / {{ window_size }}), 0
        ) as standard_error
    from summed

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
