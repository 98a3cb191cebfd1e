-- Grain: a stage of a model version. Times are UTC.

with stages as (

    select * from {{ ref('stg_ai__model_stages') }}

),

models as (

    select * from {{ ref('stg_ai__models') }}

),

model_history as (

    select
        stages.stage_id,
        stages.model_id,
        models.model_name,
        models.model_version,
        stages.stage,
        stages.started_at,
        lead(stages.started_at) over (
            partition by stages.model_id
            order by stages.started_at, stages.stage_id
        ) as ended_at,
        cast(stages.reason as {{ dbt.type_string() }}) as reason,
        stages.evidence,
        stages.data_cut_at,
        cast(stages.code_hash as {{ dbt.type_string() }}) as code_hash,
        cast(stages.artifact_hash as {{ dbt.type_string() }}) as artifact_hash,
        stages.available_at
    from stages
    inner join models
        on stages.model_id = models.model_id

)

select * from model_history
