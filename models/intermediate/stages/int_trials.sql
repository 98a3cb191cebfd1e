-- Grain: a version in shadow beside a champion of its name. Times are UTC.

{{ config(
    unique_key=['challenger_stage_id', 'champion_stage_id'],
    meta={'follows': 'whole'}
) }}

with stages as (

    select
        stages.stage_id,
        stages.model_id,
        models.model_name,
        stages.stage,
        stages.started_at,
        greatest(stages.started_at, stages.created_at) as known_at,
        lead(stages.started_at) over (
            partition by stages.model_id
            order by stages.started_at, stages.stage_id
        ) as ended_at
    from {{ ref('stg_ai__model_stages') }} as stages
    inner join {{ ref('stg_ai__models') }} as models
        on stages.model_id = models.model_id

),

met as (

    select
        challengers.stage_id as challenger_stage_id,
        champions.stage_id as champion_stage_id,
        challengers.model_name,
        challengers.model_id as challenger_id,
        champions.model_id as champion_id,
        greatest(challengers.started_at, champions.started_at) as started_at,
        -- A module may date its registration back, and not the row that says so.
        greatest(challengers.known_at, champions.known_at) as known_at,
        least(challengers.ended_at, champions.ended_at) as ended_at
    from stages as challengers
    inner join stages as champions
        on
            challengers.model_name = champions.model_name
            and challengers.model_id <> champions.model_id
    where
        challengers.stage = 'shadow'
        and champions.stage = 'champion'

),

-- Stages count from the next day on.
int_trials as (

    select
        challenger_stage_id,
        champion_stage_id,
        model_name,
        challenger_id,
        champion_id,
        started_at,
        ended_at,
        {{ utc_date('known_at') }} + 1 as first_date,
        {{ utc_date('ended_at') }} as last_date
    from met
    where ended_at is null or started_at < ended_at

)

select * from int_trials
