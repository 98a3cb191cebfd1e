-- Grain: a model version. Times are UTC.

{% set groups = {
    'signals_imported': ['imported'],
    'time_findings': ['back_dated', 'future_dated', 'before_version', 'before_training'],
    'price_findings': [
        'entry_off_market', 'open_bar_close', 'stop_off_market', 'target_off_market'
    ],
    'outcome_findings': [
        'exit_off_market', 'target_not_reached', 'stop_not_reached', 'fill_off_market'
    ],
    'edit_findings': ['edited', 'replaced', 'deleted']
} %}

with models as (

    select * from {{ ref('stg_ai__models') }}

),

stored as (

    select
        model_id,
        count(*) as signals,
        count(*) - count(stored_at) as signals_not_known
    from {{ ref('stg_ai__trading_signals') }}
    group by model_id

),

audited as (

    select
        model_id,
        count(*) as findings,
        count(*) filter (where severity = 'high') as high_findings,
        {% for name, kinds in groups.items() %}
            count(*) filter (
                where finding_kind in (
                    {% for kind in kinds %}
                        '{{ kind }}'{{ ',' if not loop.last }}
                    {% endfor %}
                )
            ) as {{ name }},
        {% endfor %}
        count(distinct signal_id) as signals_found,
        max(lag_seconds) filter (
            where finding_kind = 'back_dated'
        ) as longest_delay_seconds,
        max(coalesce(evidence_at, signal_at)) as last_finding_at
    from {{ ref('signal_audit') }}
    group by model_id

),

model_audit as (

    select
        models.model_id,
        models.model_name,
        models.model_version,
        coalesce(stored.signals, 0) as signals,
        coalesce(stored.signals_not_known, 0) as signals_not_known,
        coalesce(audited.signals_found, 0) as signals_found,
        coalesce(audited.findings, 0) as findings,
        coalesce(audited.high_findings, 0) as high_findings,
        {% for name in groups %}
            coalesce(audited.{{ name }}, 0) as {{ name }},
        {% endfor %}
        audited.longest_delay_seconds,
        audited.last_finding_at
    from models
    left join stored
        on models.model_id = stored.model_id
    left join audited
        on models.model_id = audited.model_id

)

select * from model_audit
