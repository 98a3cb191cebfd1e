-- Grain: a model, a type of micro pattern, a relation to it and a UTC day on which
-- outcomes of such signals were known. Times are UTC.

{{ config(
    unique_key=['model_id', 'pattern_type', 'relation', 'resolved_date'],
    meta={
        'affected_by': ['model_id', 'resolved_date'],
        'follows': {
            'int_ensemble_signals_judged': 'model_id, ' ~ utc_date('resolved_at')
        }
    },
    pre_hook="{{ avoid_sorts() }}"
) }}

with judged_signals as (

    select judged_signals.*
    from {{ ref('int_ensemble_signals_judged') }} as judged_signals
    {% if is_from_changes() %}
        inner join affected
            on
                judged_signals.model_id = affected.model_id
                and judged_signals.resolved_at
                >= {{ utc_midnight('affected.resolved_date') }}
                and judged_signals.resolved_at
                < {{ utc_midnight('affected.resolved_date + 1') }}
    {% endif %}
    where judged_signals.is_win is not null

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
    from judged_signals
    group by
        model_id,
        coalesce(pattern_type, ''),
        relation,
        {{ utc_date('resolved_at') }}

)

select * from int_ensemble_confirmations_daily
