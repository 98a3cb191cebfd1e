-- Grain: an expert, which is an AI model version or a type of micro pattern. Times are
-- UTC.

{{ config(
    unique_key='expert_number',
    meta={
        'affected_where':
            "(stored.model_id = affected.model_id or (stored.expert_type = 'pattern'"
            ~ " and stored.expert_name = affected.pattern_type))"
    }
) }}

with models as (

    select *
    from {{ followed('stg_ai__models', by='model_id', keys='model_id') }}

),

{% if is_from_changes() %}

    first_signals as (

        select
            models.model_id,
            (
                select signals.available_at
                from {{ ref('stg_ai__trading_signals') }} as signals
                where signals.model_id = models.model_id
                order by signals.available_at
                limit 1
            ) as available_at
        from models

    ),

    pattern_types as (

        select
            affected.pattern_type,
            (
                select min(patterns.pattern_number)
                from {{ ref('stg_platform__micro_patterns') }} as patterns
                where coalesce(patterns.pattern_type, 'unknown') = affected.pattern_type
            ) as first_pattern_number,
            (
                select patterns.available_at
                from {{ ref('stg_platform__micro_patterns') }} as patterns
                where coalesce(patterns.pattern_type, 'unknown') = affected.pattern_type
                order by patterns.created_at
                limit 1
            ) as available_at
        from affected
        where affected.pattern_type is not null

    ),

{% else %}

    first_signals as (

        select
            model_id,
            min(available_at) as available_at
        from {{ ref('stg_ai__trading_signals') }}
        group by model_id

    ),

    pattern_types as (

        select
            coalesce(pattern_type, 'unknown') as pattern_type,
            min(pattern_number) as first_pattern_number,
            min(available_at) as available_at
        from {{ ref('stg_platform__micro_patterns') }}
        group by coalesce(pattern_type, 'unknown')

    ),

{% endif %}

-- An expert keeps its number: even for a model, odd for a type of pattern. A model may
-- be registered after its first signals: these were known all the same.
experts as (

    select
        2 * models.model_id as expert_number,
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
        2 * first_pattern_number + 1 as expert_number,
        cast('pattern: ' || pattern_type as {{ dbt.type_string() }}) as expert_id,
        cast('pattern' as {{ dbt.type_string() }}) as expert_type,
        pattern_type as expert_name,
        null as model_id,
        available_at
    from pattern_types
    where first_pattern_number is not null

),

-- A weight holds for a whole day, so an expert joins on the first day that begins after
-- its registration or first forecast. An expert that joins later changes no earlier
-- weight.
int_ensemble_experts as (

    select
        expert_number,
        expert_id,
        expert_type,
        expert_name,
        model_id,
        {{ utc_date('available_at') }} + 1 as joined_date,
        available_at
    from experts

)

select * from int_ensemble_experts
