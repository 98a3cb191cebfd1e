-- Grain: a model, a type of micro pattern, a relation of signal and pattern, and a UTC
-- day on which outcomes of such signals were known. Times are UTC.

{{ config(
    unique_key=['model_id', 'pattern_type', 'relation', 'resolved_date'],
    meta={
        'affected_by': ['model_id', 'resolved_date'],
        'follows': {
            'int_ensemble_signal_outcomes': 'model_id, ' ~ utc_date('resolved_at')
        }
    },
    pre_hook="{{ avoid_sorts() }}"
) }}

with resolved_signals as (

    select *
    from {{ followed(
        'int_ensemble_signal_outcomes',
        where='stored.model_id = affected.model_id and '
            ~ is_on_date('stored.resolved_at', 'affected.resolved_date')
    ) }}
    where is_win is not null

),

int_ensemble_confirmations_daily as (

    select
        model_id,
        coalesce(pattern_type, '') as pattern_type,
        relation,
        {{ utc_date('resolved_at') }} as resolved_date,
        count(*) as cases,
        sum(is_win) as wins,
        max(resolved_at) as available_at
    from resolved_signals
    group by
        model_id,
        coalesce(pattern_type, ''),
        relation,
        {{ utc_date('resolved_at') }}

)

select * from int_ensemble_confirmations_daily
