-- Grain: a close of a symbol in its own timeframe, with what came of it. Times are UTC.

{# The linter has no value for a var: the default of int is for it alone. #}
{% set horizon_bars = var('ensemble_horizon_bars') | int(1) %}

with bars as (

    select * from {{ ref('stg_ai__market_bars') }}

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

-- Numbers follow each other within a symbol. They are those of this build, no identity.
int_ensemble_bars as (

    select
        row_number() over (order by symbol, closed_at) as bar_number,
        symbol,
        timeframe,
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
        bar_seconds = shortest_bar_seconds
        and number_at_close = 1

)

select * from int_ensemble_bars
