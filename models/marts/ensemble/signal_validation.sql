-- Grain: a signal. Times are UTC.

{{ config(
    unique_key='signal_id',
    indexes=[{'columns': ['symbol', 'created_at']}],
    pre_hook="{{ avoid_nested_loops() }}"
) }}

{% set levels = similarity_levels() %}

-- depends_on: {{ ref('int_ensemble_similar_outcomes') }}
with signals as (

    select *
    from {{ followed('stg_ai__trading_signals') }}

),

resolved_signals as (

    select *
    from {{ followed('int_ensemble_signal_outcomes') }}

),

{% if is_from_changes() %}

    -- The affected signals know the stored counts before their first day, and the
    -- outcomes since then.
    directions as (

        select
            model_id,
            signal_type,
            {{ utc_date('min(available_at)') }} as from_date
        from resolved_signals
        group by model_id, signal_type

    ),

    kinds as (

        {% for level in levels %}
            select distinct
                model_id,
                signal_type,
                {{ similarity_kind(level) }}
            from resolved_signals
            {{ 'union all' if not loop.last }}
        {% endfor %}

    ),

    kept as (  -- noqa: ST03

        select
            kinds.*,
            cast('-infinity' as {{ type_moment() }}) as resolved_at,
            last_kept.cases,
            last_kept.wins
        from kinds
        inner join directions
            on
                kinds.model_id = directions.model_id
                and kinds.signal_type = directions.signal_type
        inner join lateral (
            select
                cases.cases,
                cases.wins
            from {{ ref('int_ensemble_similar_outcomes') }} as cases
            where
                cases.model_id = kinds.model_id
                and cases.signal_type = kinds.signal_type
                and cases.similarity_level = kinds.similarity_level
                and cases.confidence_bin = kinds.confidence_bin
                and cases.relation = kinds.relation
                and cases.symbol = kinds.symbol
                and cases.resolved_date < directions.from_date
            order by cases.resolved_date desc
            limit 1
        ) as last_kept on true

    ),

    later_signals as (  -- noqa: ST03

        select later.*
        from directions
        inner join lateral (
            select resolved.*
            from {{ ref('int_ensemble_signal_outcomes') }} as resolved
            where
                resolved.model_id = directions.model_id
                and resolved.signal_type = directions.signal_type
                and resolved.resolved_at >= {{ utc_midnight('directions.from_date') }}
            {{ kept_apart() }}
        ) as later on true

    ),

{% endif %}

outcomes as (

    select
        model_id,
        signal_type,
        null as similarity_level,
        confidence_bin,
        relation,
        symbol,
        resolved_at,
        1 as cases,
        is_win as wins
    from {{ 'later_signals' if is_from_changes() else 'resolved_signals' }}
    where is_win is not null

    {% if is_from_changes() %}
        union all

        select * from kept
    {% endif %}

),

events as (

    select
        signal_id,
        model_id,
        signal_type,
        null as similarity_level,
        confidence_bin,
        relation,
        symbol,
        available_at as event_at,
        0 as is_outcome,
        0 as cases,
        0 as wins
    from resolved_signals

    union all

    select
        null as signal_id,
        model_id,
        signal_type,
        similarity_level,
        confidence_bin,
        relation,
        symbol,
        resolved_at as event_at,
        1 as is_outcome,
        cases,
        wins
    from outcomes

),

-- At the same instant, signals come before outcomes: a signal knows only outcomes
-- resolved before it. Stored counts count only at their own level.
counted as (

    select
        {% for level, columns in levels.items() %}
            {% for count in ['cases', 'wins'] %}
                sum({{ count }}) filter (
                    where coalesce(similarity_level, '{{ level }}') = '{{ level }}'
                ) over (
                    partition by  -- noqa: LT05
                        {{ (['model_id', 'signal_type'] + columns) | join(', ') }}
                    order by event_at, is_outcome
                    rows between unbounded preceding and current row
                ) as {{ level }}_{{ count }},
            {% endfor %}
        {% endfor %}
        signal_id,
        confidence_bin,
        relation
    from events

),

-- The closest level with enough cases; the broadest level if none has enough.
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

select * from signal_validation {{ newest_together('signal_id') }}
