-- Grain: a model and a kind of training record that it left. Times are UTC.

{# The linter has no value for a var: the default of int is for it alone. #}
{% set window_size = var('training_window_steps') | int(1) %}

{{ config(
    unique_key=['model_id', 'run_kind'],
    meta={'follows': 'whole'}
) }}

with models as (

    select * from {{ ref('stg_ai__models') }}

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
    from {{ ref('int_training_runs') }}

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
        coalesce(models.model_name, 'unknown') as model_name,
        coalesce(models.model_version, 'unknown') as model_version,
        coalesce(models.model_type, 'unknown') as model_type,
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
