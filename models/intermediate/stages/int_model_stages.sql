-- Grain: a stage of a model version, with the moment and the day from which it counts.
-- Times are UTC.

{{ config(
    unique_key='stage_id',
    meta={
        'affected_by': 'model_id',
        'follows': {'stg_ai__model_stages': 'model_id'}
    },
    indexes=[{'columns': ['model_id']}]
) }}

with stages as (

    select *
    from {{ followed('stg_ai__model_stages') }}

),

numbered as (

    select
        *,
        row_number() over (
            partition by model_id
            order by started_at, stage_id
        ) as stage_number
    from stages

),

-- A stage counts in decisions from the next day on: weights hold for whole days. The
-- first one holds for what the version said before it was registered, too.
int_model_stages as (

    select
        stage_id,
        model_id,
        stage,
        case
            when stage_number = 1 then {{ earliest_moment() }}
            else started_at
        end as counts_from_at,
        case
            when stage_number = 1 then cast('1970-01-01' as date)
            else {{ utc_date('started_at') }} + 1
        end as counts_from_date
    from numbered

)

select * from int_model_stages
