-- Grain: a close of a symbol in its own timeframe, with what came of it. Times are UTC.

{{ config(
    materialized='incremental',
    unique_key=['symbol', 'decided_at'],
    meta={
        'affected_where':
            'stored.symbol = affected.symbol and stored.decided_at >= affected.from_at'
    },
    indexes=[
        {'columns': ['symbol', 'bar_number']},
        {'columns': ['decided_date']}
    ],
    pre_hook="{% if is_from_changes() %}{{ prefer_index_lookups() }}{% endif %}"
) }}

{# The linter has no value for a var: the default of int is for it alone. #}
{% set horizon_bars = var('ensemble_horizon_bars') | int(1) %}

with timeframes as (

    select * from {{ ref('int_timeframes') }}

),

bars as (

    select bars.*
    from {{ ref('stg_ai__market_bars') }} as bars
    {% if is_from_changes() %}
        inner join timeframes
            on
                bars.symbol = timeframes.symbol
                and bars.timeframe = timeframes.timeframe
        inner join affected
            on
                timeframes.symbol = affected.symbol
                and bars.opened_at
                >= affected.from_at - timeframes.length_seconds * interval '1 second'
    {% endif %}

),

-- The target is looked for in the bar's own timeframe: the same span of time on either
-- side of a change of the symbol's shortest one.
targeted as (

    select
        symbol,
        timeframe,
        close_price,
        closed_at,
        available_at,
        {{ seconds_between('opened_at', 'closed_at') }} as bar_seconds,
        lead(close_price, {{ horizon_bars }}) over later_bars as target_price,
        lead(available_at, {{ horizon_bars }}) over later_bars as resolved_at
    from bars
    where
        close_price is not null
        and closed_at is not null
    window later_bars as (partition by symbol, timeframe order by closed_at)

),

-- The shortest timeframe so far: one that begins later must not change which bars were
-- decided on before.
compared as (

    select
        *,
        min(bar_seconds) over (
            partition by symbol
            order by closed_at
            range between unbounded preceding and current row
        ) as shortest_bar_seconds,
        row_number() over (
            partition by symbol, closed_at
            order by bar_seconds, timeframe
        ) as number_at_close
    from targeted

),

{% if is_from_changes() %}

    -- The closes before go on to count: the last of them is in the shortest timeframe.
    kept as (

        select
            affected.symbol,
            affected.from_at,
            coalesce(last_kept.bar_number, 0) as bars_before,
            last_kept.bar_seconds
        from affected
        left join lateral (
            select
                stored.bar_number,
                stored.bar_seconds
            from {{ this }} as stored
            where
                stored.symbol = affected.symbol
                and stored.decided_at < affected.from_at
            order by stored.decided_at desc
            limit 1
        ) as last_kept on true

    ),

{% endif %}

-- Numbers follow each other within a symbol. Those after a close that comes late move.
int_ensemble_bars as (

    select
        {% if is_from_changes() %} kept.bars_before + {% endif -%}
        row_number() over (
            partition by compared.symbol
            order by compared.closed_at
        ) as bar_number,
        compared.symbol,
        compared.timeframe,
        compared.bar_seconds,
        compared.close_price,
        case
            when compared.target_price > compared.close_price then 1
            when compared.target_price < compared.close_price then 0
        end as went_up,
        compared.closed_at as decided_at,
        {{ utc_date('compared.closed_at') }} as decided_date,
        compared.resolved_at,
        {{ utc_date('compared.resolved_at') }} as resolved_date,
        compared.available_at
    from compared
    {% if is_from_changes() %}
        inner join kept
            on compared.symbol = kept.symbol
    {% endif %}
    where
        compared.number_at_close = 1
        {% if is_from_changes() %}
            and compared.closed_at >= kept.from_at
            and compared.bar_seconds
            = least(compared.shortest_bar_seconds, kept.bar_seconds)
        {% else %}
            and compared.bar_seconds = compared.shortest_bar_seconds
        {% endif %}

)

select * from int_ensemble_bars
