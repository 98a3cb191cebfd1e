-- Grain: a BUY or SELL signal with an entry price and a bar after it. No times.

{{ config(
    unique_key='signal_id',
    meta={
        'follows': {
            'int_signal_bars': 'signal_id',
            'stg_ai__trading_signals': 'signal_id'
        }
    },
    indexes=[
        {'columns': ['symbol', 'end_bar_number']},
        {'columns': ['(end_bar_number - first_bar_number)']}
    ],
    pre_hook="{{ avoid_nested_loops() }}"
) }}

with placed as (

    select *
    from {{ followed('int_signal_bars') }}

),

signals as (

    select *
    from {{ followed('stg_ai__trading_signals') }}

),

-- A barrier on the wrong side of the entry price, which the market had passed before
-- the signal came, does not count.
entered as (

    select
        placed.signal_id,
        placed.symbol,
        placed.first_bar_number,
        placed.end_bar_number,
        placed.entry_price,
        cast(case
            when signals.signal_type = 'BUY' and signals.stop_loss < placed.entry_price
                then signals.stop_loss
            when
                signals.signal_type = 'SELL'
                and signals.take_profit < placed.entry_price
                then signals.take_profit
        end as {{ type_money() }}) as lower_barrier,
        cast(case
            when
                signals.signal_type = 'BUY'
                and signals.take_profit > placed.entry_price
                then signals.take_profit
            when signals.signal_type = 'SELL' and signals.stop_loss > placed.entry_price
                then signals.stop_loss
        end as {{ type_money() }}) as upper_barrier
    from placed
    inner join signals
        on placed.signal_id = signals.signal_id
    where
        signals.signal_type in ('BUY', 'SELL')
        and placed.first_bar_number is not null
        and placed.entry_price > 0

)

select * from entered
