-- Grain: a BUY or SELL signal with an entry price and a bar after it. No times.

{{ config(pre_hook="{{ avoid_nested_loops() }}") }}

with placed as (

    select * from {{ ref('int_signals_placed') }}

),

signals as (

    select * from {{ ref('stg_ai__trading_signals') }}

),

bars as (

    select * from {{ ref('int_bars_numbered') }}

),

entered as (

    select
        signals.signal_id,
        signals.signal_type,
        signals.stop_loss,
        signals.take_profit,
        entry_bars.close_price as entry_price,
        placed.first_bar_number,
        placed.end_bar_number,
        least(placed.end_bar_number, placed.last_bar_number) as last_bar_number
    from placed
    inner join signals
        on placed.signal_id = signals.signal_id
    inner join bars as entry_bars
        on placed.entry_bar_number = entry_bars.bar_number
    where
        signals.signal_type in ('BUY', 'SELL')
        and placed.first_bar_number <= placed.last_bar_number
        and entry_bars.close_price > 0

),

-- A barrier on the wrong side of the entry price, which the market had passed before
-- the signal came, is none.
bounded as (

    select
        signal_id,
        first_bar_number,
        end_bar_number,
        last_bar_number,
        entry_price,
        cast(case
            when signal_type = 'BUY' and stop_loss < entry_price then stop_loss
            when signal_type = 'SELL' and take_profit < entry_price then take_profit
        end as {{ type_money() }}) as lower_barrier,
        cast(case
            when signal_type = 'BUY' and take_profit > entry_price then take_profit
            when signal_type = 'SELL' and stop_loss > entry_price then stop_loss
        end as {{ type_money() }}) as upper_barrier
    from entered

)

select * from bounded
