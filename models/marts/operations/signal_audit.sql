-- Grain: a signal, a kind of finding and the row that shows it. Times are UTC.

{# The linter has no value for a var: the defaults are for it alone. #}
{% set late = var('audit_max_delay_minutes') | int(1) ~ " * interval '1 minute'" %}
{% set lower = 1 - var('audit_price_tolerance') | float(0.1) %}
{% set upper = 1 + var('audit_price_tolerance') | float(0.1) %}
{% set of_signal %}
'stored by ' || signals.stored_by as evidence,
        signals.model_id,
        signals.symbol,
        signals.created_at as signal_at,
        signals.available_at as known_at
{%- endset %}

with models as (

    select * from {{ ref('stg_ai__models') }}

),

-- Analyses are no training: a model of them makes one with each signal.
trained as (

    select
        model_id,
        min(first_step_at) as trained_at
    from {{ ref('int_training_runs') }}
    where run_kind in ('episodes', 'generations')
    group by model_id

),

edits as (

    select * from {{ ref('int_signal_edits') }}

),

-- Each looks its signals up by an index: findings are few, which the planner does not
-- know, and a CTE of all signals would be written to the disk first.
found as (

    select
        signals.signal_id,
        findings.finding_kind,
        '' as evidence_key,
        findings.evidence_at,
        findings.stated_price,
        findings.lowest_price,
        findings.highest_price,
        {{ of_signal }}
    from {{ ref('int_signal_findings') }} as findings
    inner join {{ ref('stg_ai__trading_signals') }} as signals
        on findings.signal_id = signals.signal_id

    {% for kind, relation, moment in [
        ('before_version', 'models', 'created_at'),
        ('before_training', 'trained', 'trained_at')
    ] %}
        union all

        select
            signals.signal_id,
            '{{ kind }}' as finding_kind,
            '' as evidence_key,
            {{ relation }}.{{ moment }} as evidence_at,
            null as stated_price,
            null as lowest_price,
            null as highest_price,
            {{ of_signal }}
        from {{ relation }}
        cross join lateral (
            select stored.*
            from {{ ref('stg_ai__trading_signals') }} as stored
            where
                stored.model_id = {{ relation }}.model_id
                and stored.available_at < {{ relation }}.{{ moment }} - {{ late }}
            {{ kept_apart() }}
        ) as signals
    {% endfor %}

    union all

    select
        fills.signal_id,
        'fill_off_market' as finding_kind,
        cast(fills.order_id as {{ dbt.type_string() }}) as evidence_key,
        fills.filled_at as evidence_at,
        fills.filled_price as stated_price,
        fills.lowest_price,
        fills.highest_price,
        {{ of_signal }}
    from {{ ref('int_signal_fills') }} as fills
    cross join
        lateral (
            select stored.*
            from {{ ref('stg_ai__trading_signals') }} as stored
            where stored.signal_id = fills.signal_id
            {{ kept_apart() }}
        ) as signals
    where
        fills.filled_price < fills.lowest_price * {{ lower }}
        or fills.filled_price > fills.highest_price * {{ upper }}

    union all

    select
        signal_id,
        finding_kind,
        cast(edit_id as {{ dbt.type_string() }}) as evidence_key,
        edited_at as evidence_at,
        null as stated_price,
        null as lowest_price,
        null as highest_price,
        evidence,
        model_id,
        symbol,
        signal_at,
        known_at
    from edits

),

signal_audit as (

    select
        found.signal_id,
        cast(found.finding_kind as {{ dbt.type_string() }}) as finding_kind,
        cast(found.evidence_key as {{ dbt.type_string() }}) as evidence_key,
        cast(case
            when
                found.finding_kind in (
                    'back_dated', 'future_dated', 'before_version', 'entry_off_market',
                    'exit_off_market', 'target_not_reached', 'replaced'
                )
                then 'high'
            -- Prices of after the signal were known by then.
            when
                found.finding_kind = 'edited'
                and found.evidence_at > found.known_at + {{ late }}
                then 'high'
            else 'medium'
        end as {{ dbt.type_string() }}) as severity,
        found.model_id,
        coalesce(models.model_name, 'unknown') as model_name,
        coalesce(models.model_version, 'unknown') as model_version,
        cast(found.symbol as {{ dbt.type_string() }}) as symbol,
        found.signal_at,
        found.known_at,
        found.evidence_at,
        case
            when found.finding_kind = 'imported'
                then {{ seconds_between('found.signal_at', 'found.evidence_at') }}
            else {{ seconds_between('found.known_at', 'found.evidence_at') }}
        end as lag_seconds,
        outcomes.resolved_at,
        cast(found.stated_price as {{ type_money() }}) as stated_price,
        cast(found.lowest_price as {{ type_money() }}) as lowest_price,
        cast(found.highest_price as {{ type_money() }}) as highest_price,
        cast(found.evidence as {{ dbt.type_string() }}) as evidence
    from found
    left join models
        on found.model_id = models.model_id
    left join {{ ref('int_signal_outcomes') }} as outcomes
        on found.signal_id = outcomes.signal_id

)

select * from signal_audit
