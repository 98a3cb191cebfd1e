-- Grain: a signal of a symbol that has bars. Times are UTC.

{{ config(pre_hook="{{ avoid_nested_loops() }}") }}

with signals as (

    select * from {{ ref('stg_ai__trading_signals') }}

),

bars as (

    select * from {{ ref('int_bars_numbered') }}

),

symbols as (

    select
        symbol,
        min(bar_number) as first_bar_number,
        max(bar_number) as last_bar_number
    from bars
    group by symbol

),

-- Signals and bars on one line of time. At the same instant a signal's end comes before
-- the close of a bar, since it asks for closes before it; its start comes after the
-- close, which it may know, and before the opening of the next bar.
events as (

    select
        symbol,
        valid_until_at as event_at,
        0 as event_order,
        signal_id,
        0 as opened_bars,
        0 as closed_bars
    from signals

    union all

    select
        symbol,
        closed_at as event_at,
        1 as event_order,
        null as signal_id,
        0 as opened_bars,
        1 as closed_bars
    from bars

    union all

    select
        symbol,
        created_at as event_at,
        2 as event_order,
        signal_id,
        0 as opened_bars,
        0 as closed_bars
    from signals

    union all

    select
        symbol,
        opened_at as event_at,
        3 as event_order,
        null as signal_id,
        1 as opened_bars,
        0 as closed_bars
    from bars

),

counted_events as (

    select
        signal_id,
        symbol,
        event_order,
        sum(opened_bars) over time_line as opened_bars,
        sum(closed_bars) over time_line as closed_bars
    from events
    window time_line as (
        partition by symbol
        order by event_at asc, event_order asc
        rows between unbounded preceding and current row
    )

),

positions as (

    select
        signal_id,
        symbol,
        max(closed_bars) filter (where event_order = 2) as bars_known,
        max(opened_bars) filter (where event_order = 2) as bars_before,
        max(closed_bars) filter (where event_order = 0) as bars_within
    from counted_events
    where event_order in (0, 2)
    group by signal_id, symbol

),

placed as (

    select
        positions.signal_id,
        case
            when positions.bars_known > 0
                then symbols.first_bar_number + positions.bars_known - 1
        end as entry_bar_number,
        symbols.first_bar_number + positions.bars_before as first_bar_number,
        -- A signal lives for a bar at least, however early it ends.
        symbols.first_bar_number
        + greatest(positions.bars_within, positions.bars_before) as end_bar_number,
        symbols.last_bar_number
    from positions
    inner join symbols
        on positions.symbol = symbols.symbol

)

select * from placed
