-- Grain: a source of trades: an AI model version, a strategy of the platform's own, or
-- all of either type. Days are UTC.

{{ config(
    unique_key=['source_type', 'source_name'],
    meta={'follows': 'whole'}
) }}

with models as (

    select * from {{ ref('stg_ai__models') }}

),

signal_days as (

    select * from {{ ref('int_signal_days') }}

),

source_days as (

    select * from {{ ref('int_source_days') }}

),

calendar as (

    select * from {{ ref('int_calendar') }}

),

bounds as (

    select
        min(trading_date) as first_date,
        max(trading_date) as last_date
    from calendar

),

first_signals as (

    select
        model_id,
        min(trading_date) as seen_date
    from signal_days
    group by model_id

),

-- The days that show that a source was active. A model counts from its registration on,
-- even without a signal: silence is a choice. An imported history is older than the
-- model's row.
appearances as (

    select
        'ai' as source_type,
        model_label as source_name,
        {{ utc_date('created_at') }} as seen_date
    from models

    union all

    select
        'ai' as source_type,
        models.model_label as source_name,
        first_signals.seen_date
    from first_signals
    inner join models
        on first_signals.model_id = models.model_id

    union all

    select
        source_type,
        source_name,
        min(trading_date) as seen_date
    from source_days
    where orders > 0
    group by source_type, source_name

),

-- A strategy may also be called 'all': its trades are in the total, and it gets no row
-- of its own.
named_appearances as (

    select
        source_type,
        source_name,
        seen_date,
        false as is_total
    from appearances
    where source_name <> 'all'

    union all

    select
        source_type,
        'all' as source_name,
        seen_date,
        true as is_total
    from appearances

),

sources as (

    select
        named_appearances.source_type,
        named_appearances.source_name,
        named_appearances.is_total,
        least(
            greatest(min(named_appearances.seen_date), min(bounds.first_date)),
            min(bounds.last_date)
        ) as first_date
    from named_appearances
    cross join bounds
    where bounds.first_date is not null
    group by
        named_appearances.source_type,
        named_appearances.source_name,
        named_appearances.is_total

)

select * from sources
