-- Grain: an expert, which is an AI model version or a type of micro pattern. Times are
-- UTC.

with models as (

    select * from {{ ref('stg_ai__models') }}

),

signals as (

    select * from {{ ref('stg_ai__trading_signals') }}

),

patterns as (

    select * from {{ ref('stg_platform__micro_patterns') }}

),

first_signals as (

    select
        model_id,
        min(available_at) as available_at
    from signals
    group by model_id

),

-- A model may be registered after the fact: what it had said was known all the same.
experts as (

    select
        cast('model: ' || models.model_label as {{ dbt.type_string() }}) as expert_id,
        cast('model' as {{ dbt.type_string() }}) as expert_type,
        models.model_label as expert_name,
        models.model_id,
        least(
            models.available_at,
            coalesce(first_signals.available_at, models.available_at)
        ) as available_at
    from models
    left join first_signals
        on models.model_id = first_signals.model_id

    union all

    select
        cast(
            'pattern: ' || coalesce(pattern_type, 'unknown') as {{ dbt.type_string() }}
        ) as expert_id,
        cast('pattern' as {{ dbt.type_string() }}) as expert_type,
        coalesce(pattern_type, 'unknown') as expert_name,
        null as model_id,
        min(available_at) as available_at
    from patterns
    group by coalesce(pattern_type, 'unknown')

),

-- Weights are those of a whole day, so an expert joins with the first day that begins
-- after it was heard of. Who joins later changes nothing before.
int_ensemble_experts as (

    select
        row_number() over (order by expert_id) as expert_number,
        expert_id,
        expert_type,
        expert_name,
        model_id,
        {{ utc_date('available_at') }} + 1 as joined_date,
        available_at
    from experts

)

select * from int_ensemble_experts
