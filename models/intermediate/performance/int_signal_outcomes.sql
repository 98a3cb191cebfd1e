-- Grain: a signal that the prices after it resolved. Times are UTC.

{{ config(
    unique_key='signal_id',
    meta={
        'follows': {
            'stg_ai__trading_signals': 'signal_id',
            'int_signal_barriers': 'signal_id',
            'int_signal_exits': 'signal_id',
            'int_bars_numbered': through(
                'int_signal_exits',
                'symbol, exit_bar_number',
                of='symbol, bar_number',
                keys='signal_id'
            )
        }
    },
    indexes=[
        {'columns': ['model_id', 'resolved_at']},
        {'columns': ['model_id', 'available_at']}
    ],
    pre_hook="{{ avoid_nested_loops() }}"
) }}

{# Then each relation is small, and the planner knows it: they are joined as a whole,
not row by row. #}
{% set materialized = 'materialized' if is_from_changes() else '' %}

with signals as {{ materialized }} (

    select *
    from {{ followed('stg_ai__trading_signals') }}

),

barriers as {{ materialized }} (

    select *
    from {{ followed('int_signal_barriers') }}

),

exits as {{ materialized }} (

    select *
    from {{ followed('int_signal_exits') }}

),

-- A BUY stops at the lower barrier, a SELL at the upper one.
touches as (

    select
        signals.signal_id,
        signals.model_id,
        signals.confidence,
        signals.signal_type = 'BUY' as is_buy,
        signals.available_at as signal_available_at,
        barriers.entry_price,
        barriers.lower_barrier,
        barriers.upper_barrier,
        exits.exit_bar_number - barriers.first_bar_number + 1 as bars_held,
        exits.lowest_price,
        exits.highest_price,
        bars.open_price,
        bars.close_price,
        bars.closed_at as resolved_at,
        coalesce(bars.low_price <= barriers.lower_barrier, false) as is_low_touched,
        coalesce(bars.high_price >= barriers.upper_barrier, false) as is_high_touched
    from signals
    inner join barriers
        on signals.signal_id = barriers.signal_id
    inner join exits
        on signals.signal_id = exits.signal_id
    inner join {{ ref('int_bars_numbered') }} as bars
        on
            exits.symbol = bars.symbol
            and exits.exit_bar_number = bars.bar_number

),

-- If a bar touched both, the order is unknown: the worse outcome is taken.
resolved as (

    select
        *,
        case
            when is_buy and is_low_touched then 'STOP_LOSS'
            when not is_buy and is_high_touched then 'STOP_LOSS'
            when is_low_touched or is_high_touched then 'TAKE_PROFIT'
            else 'EXPIRED'
        end as outcome
    from touches

),

-- A barrier that the market jumped over is met at the bar's open.
priced as (

    select
        *,
        cast(case
            when outcome = 'EXPIRED' then close_price
            when (outcome = 'STOP_LOSS') = is_buy then least(lower_barrier, open_price)
            else greatest(upper_barrier, open_price)
        end as {{ type_money() }}) as exit_price
    from resolved

),

measured as (

    select
        {% for measure, of_buy, of_sell in [
            ('outcome_return', 'exit_price - entry_price', 'entry_price - exit_price'),
            ('mae', 'lowest_price - entry_price', 'entry_price - highest_price'),
            ('mfe', 'highest_price - entry_price', 'entry_price - lowest_price')
        ] %}
            cast(
                case when is_buy then {{ of_buy }} else {{ of_sell }} end
                as {{ type_double() }}
            ) / cast(entry_price as {{ type_double() }}) as {{ measure }},
        {% endfor %}
        *
    from priced

),

signal_outcomes as (

    select
        signal_id,
        model_id,
        confidence,
        outcome,
        is_low_touched and is_high_touched as is_ambiguous,
        exit_price,
        outcome_return,
        outcome_return > 0 as is_win,
        mae,
        mfe,
        bars_held,
        resolved_at,
        -- An imported signal may have been resolved long before its import.
        greatest(resolved_at, signal_available_at) as available_at
    from measured

)

select * from signal_outcomes {{ newest_together('signal_id') }}
