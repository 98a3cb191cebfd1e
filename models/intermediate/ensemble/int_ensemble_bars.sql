-- Grain: a close of a symbol in its own timeframe, with its outcome. Times are UTC.

{{ config(
    unique_key=['symbol', 'decided_at'],
    meta={
        'affected_where':
            'stored.symbol = affected.symbol'
            ~ ' and stored.decided_at between affected.from_at and affected.to_at'
    },
    indexes=[
        {'columns': ['symbol', 'bar_number']},
        {'columns': ['decided_date']}
    ]
) }}

{# The linter has no value for a var: the default of int is for it alone. #}
{% set horizon_bars = var('ensemble_horizon_bars') | int(1) %}

-- depends_on: {{ ref('int_timeframes') }}
-- In a build from changes, numbers continue from the stored closes: the last stored
-- close is in the timeframe that was the shortest so far.
with bars as (

    {% if is_from_changes() %}
        select
            bars.*,
            stretches.from_at,
            stretches.bars_before,
            stretches.seconds_before
        from (
            select
                affected.symbol,
                affected.from_at,
                coalesce(last_kept.bar_number, 0) as bars_before,
                last_kept.bar_seconds as seconds_before
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
        ) as stretches
        inner join {{ ref('int_timeframes') }} as timeframes
            on stretches.symbol = timeframes.symbol
        cross join lateral (
            select market_bars.*
            from {{ ref('stg_ai__market_bars') }} as market_bars
            where
                market_bars.symbol = stretches.symbol
                and market_bars.timeframe = timeframes.timeframe
                and market_bars.opened_at
                >= stretches.from_at - timeframes.length_seconds * interval '1 second'
            {{ kept_apart() }}
        ) as bars
    {% else %}
        select
            *,
            cast(null as {{ type_moment() }}) as from_at,
            0 as bars_before,
            cast(null as {{ type_double() }}) as seconds_before
        from {{ ref('stg_ai__market_bars') }}
    {% endif %}

),

-- The target is a bar of the bar's own timeframe: so the horizon is the same length of
-- time before and after the symbol's shortest timeframe changes.
targeted as (

    select
        symbol,
        timeframe,
        close_price,
        closed_at,
        available_at,
        from_at,
        bars_before,
        seconds_before,
        {{ seconds_between('opened_at', 'closed_at') }} as bar_seconds,
        lead(close_price, {{ horizon_bars }}) over later_bars as target_price,
        lead(available_at, {{ horizon_bars }}) over later_bars as resolved_at
    from bars
    where
        close_price is not null
        and closed_at is not null
    window later_bars as (partition by symbol, timeframe order by closed_at)

),

-- The shortest timeframe so far: a timeframe that begins later must not change the
-- closes of earlier decisions.
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

-- Numbers have no gaps within a symbol. A close that arrives late moves all later
-- numbers.
int_ensemble_bars as (

    select
        bars_before + row_number() over (
            partition by symbol
            order by closed_at
        ) as bar_number,
        symbol,
        timeframe,
        bar_seconds,
        close_price,
        case
            when target_price > close_price then 1
            when target_price < close_price then 0
        end as went_up,
        closed_at as decided_at,
        {{ utc_date('closed_at') }} as decided_date,
        resolved_at,
        {{ utc_date('resolved_at') }} as resolved_date,
        available_at
    from compared
    where
        bar_seconds = least(shortest_bar_seconds, seconds_before)
        and number_at_close = 1
        and (from_at is null or closed_at >= from_at)

)

select * from int_ensemble_bars
