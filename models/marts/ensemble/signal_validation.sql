-- Grain: a signal. Times are UTC.

{{ config(pre_hook="{{ avoid_nested_loops() }}") }}

{# From the closest to the broadest: what similar signals have in common. #}
{% set levels = {
    'symbol': 'model_id, signal_type, confidence_bin, relation, symbol',
    'relation': 'model_id, signal_type, confidence_bin, relation',
    'confidence': 'model_id, signal_type, confidence_bin',
    'direction': 'model_id, signal_type',
} %}

with signals as (

    select * from {{ ref('stg_ai__trading_signals') }}

),

judged_signals as (

    select * from {{ ref('int_ensemble_signals_judged') }}

),

events as (

    select
        signal_id,
        model_id,
        symbol,
        signal_type,
        confidence_bin,
        relation,
        available_at as event_at,
        0 as is_outcome,
        0 as is_win
    from judged_signals

    union all

    select
        null as signal_id,
        model_id,
        symbol,
        signal_type,
        confidence_bin,
        relation,
        resolved_at as event_at,
        1 as is_outcome,
        is_win
    from judged_signals
    where is_win is not null

),

-- At the same instant, signals come before outcomes: what was known at the moment of a
-- signal is what was resolved before it.
counted as (

    select
        {% for level, columns in levels.items() %}
            sum(is_outcome) over (
                partition by {{ columns }}
                order by event_at, is_outcome
                rows between unbounded preceding and current row
            ) as {{ level }}_cases,
            sum(is_win) over (
                partition by {{ columns }}
                order by event_at, is_outcome
                rows between unbounded preceding and current row
            ) as {{ level }}_wins,
        {% endfor %}
        signal_id,
        confidence_bin,
        relation
    from events

),

-- The closest level with enough cases; the broadest if there is none.
chosen as (

    select
        *,
        case
            {% for level in levels %}
                when {{ level }}_cases >= {{ var('validation_min_cases') }}
                    then '{{ level }}'
            {% endfor %}
            else 'direction'
        end as similarity_level
    from counted
    where signal_id is not null

),

similar_signals as (

    select
        signal_id,
        confidence_bin,
        relation,
        similarity_level,
        case similarity_level
            {% for level in levels %}
                when '{{ level }}' then {{ level }}_cases
            {% endfor %}
        end as similar_cases,
        case similarity_level
            {% for level in levels %}
                when '{{ level }}' then {{ level }}_wins
            {% endfor %}
        end as similar_wins
    from chosen

),

measured as (

    select
        *,
        cast(similar_wins as {{ type_double() }})
        / nullif(similar_cases, 0) as base_rate,
        {{ wilson_bound('similar_wins', 'similar_cases', 'lower') }} as base_rate_lower,
        {{ wilson_bound('similar_wins', 'similar_cases', 'upper') }} as base_rate_upper
    from similar_signals

),

signal_validation as (

    select
        signals.signal_id,
        signals.model_id,
        signals.symbol,
        signals.signal_type,
        signals.confidence,
        measured.confidence_bin,
        cast(measured.relation as {{ dbt.type_string() }}) as relation,
        cast(measured.similarity_level as {{ dbt.type_string() }}) as similarity_level,
        cast(coalesce(measured.similar_cases, 0) as bigint) as similar_cases,
        cast(coalesce(measured.similar_wins, 0) as bigint) as similar_wins,
        measured.base_rate,
        measured.base_rate_lower,
        measured.base_rate_upper,
        case
            when signals.signal_type in ('BUY', 'SELL')
                then 0.5 + signals.confidence / 2
        end as claimed_probability,
        cast(
            case
                when
                    measured.similar_cases is null
                    or measured.similar_cases < {{ var('validation_min_cases') }}
                    then 'unproven'
                when measured.base_rate_lower > 0.5 then 'supported'
                when measured.base_rate_upper < 0.5 then 'unsupported'
                else 'unproven'
            end as {{ dbt.type_string() }}
        ) as verdict,
        signals.created_at,
        signals.available_at
    from signals
    left join measured
        on signals.signal_id = measured.signal_id

)

select * from signal_validation
