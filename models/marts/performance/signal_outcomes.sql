-- Grain: a signal. Times are UTC.

{{ config(
    unique_key='signal_id',
    indexes=[{'columns': ['model_id', 'resolved_at']}],
    pre_hook="{{ avoid_nested_loops() }}"
) }}

{# Each is small then, and known to be: joined as a whole, not row by row. #}
{% set materialized = 'materialized' if is_from_changes() else '' %}

with signals as {{ materialized }} (

    select *
    from {{ followed('stg_ai__trading_signals') }}

),

models as (

    select * from {{ ref('stg_ai__models') }}

),

signal_barriers as {{ materialized }} (

    select *
    from {{ followed('int_signal_barriers') }}

),

signal_bars as {{ materialized }} (

    select *
    from {{ followed('int_signal_bars') }}

),

signal_exits as {{ materialized }} (

    select *
    from {{ followed('int_signal_exits') }}

),

bars as (

    select * from {{ ref('int_bars_numbered') }}

),

trades as (

    select *
    from {{ followed('trades') }}

),

-- One row a signal before the join, so that its trades do not multiply it.
executed_signals as (

    select
        signal_id,
        count(*) as executed_trades,
        cast(sum(quantity) as {{ type_money() }}) as executed_quantity,
        cast(sum(net_profit) as {{ type_money() }}) as executed_net_profit,
        cast(sum(entry_price * quantity) as {{ type_money() }}) as executed_value,
        max(available_at) as executed_available_at
    from trades
    where signal_id is not null
    group by signal_id

),

exits as (

    select
        signal_barriers.signal_id,
        signal_barriers.symbol,
        signal_barriers.entry_price,
        signal_barriers.lower_barrier,
        signal_barriers.upper_barrier,
        signal_barriers.first_bar_number,
        signal_exits.exit_bar_number,
        signal_exits.lowest_price,
        signal_exits.highest_price
    from signal_barriers
    inner join signal_exits
        on signal_barriers.signal_id = signal_exits.signal_id

),

touches as (

    select
        exits.*,
        bars.open_price as exit_bar_open,
        bars.close_price as exit_bar_close,
        bars.closed_at as resolved_at,
        coalesce(bars.low_price <= exits.lower_barrier, false) as is_low_touched,
        coalesce(bars.high_price >= exits.upper_barrier, false) as is_high_touched
    from exits
    inner join bars
        on
            exits.symbol = bars.symbol
            and exits.exit_bar_number = bars.bar_number

),

-- A BUY stops at the lower barrier, a SELL at the upper one. Where both were touched,
-- nobody knows which came first: the worse is taken.
resolved as (

    select
        touches.*,
        signals.signal_type,
        case
            when signals.signal_type = 'BUY' and touches.is_low_touched then 'STOP_LOSS'
            when
                signals.signal_type = 'SELL' and touches.is_high_touched
                then 'STOP_LOSS'
            when touches.is_low_touched or touches.is_high_touched then 'TAKE_PROFIT'
            else 'EXPIRED'
        end as outcome,
        case signals.signal_type when 'BUY' then 1 else -1 end as direction_sign
    from touches
    inner join signals
        on touches.signal_id = signals.signal_id

),

-- A barrier that the market jumped over is met at the bar's open.
priced as (

    select
        resolved.*,
        cast(case
            when resolved.outcome = 'EXPIRED' then resolved.exit_bar_close
            when (resolved.outcome = 'STOP_LOSS') = (resolved.signal_type = 'BUY')
                then least(resolved.lower_barrier, resolved.exit_bar_open)
            else greatest(resolved.upper_barrier, resolved.exit_bar_open)
        end as {{ type_money() }}) as exit_price
    from resolved

),

measured as (

    select
        signal_id,
        outcome,
        is_low_touched and is_high_touched as is_ambiguous,
        exit_price,
        resolved_at,
        exit_bar_number - first_bar_number + 1 as bars_held,
        direction_sign
        * cast(exit_price - entry_price as {{ type_double() }})
        / cast(entry_price as {{ type_double() }}) as outcome_return,
        cast(
            case direction_sign
                when 1 then lowest_price - entry_price
                else entry_price - highest_price
            end as {{ type_double() }}
        ) / cast(entry_price as {{ type_double() }}) as mae,
        cast(
            case direction_sign
                when 1 then highest_price - entry_price
                else entry_price - lowest_price
            end as {{ type_double() }}
        ) / cast(entry_price as {{ type_double() }}) as mfe
    from priced

),

-- A signal may have come when no bar had closed, or for a symbol that has none.
entries as (

    select
        signal_id,
        entry_price
    from signal_bars
    where entry_price > 0

),

signal_outcomes as (

    select
        signals.signal_id,
        signals.model_id,
        coalesce(models.model_name, 'unknown') as model_name,
        coalesce(models.model_version, 'unknown') as model_version,
        signals.symbol,
        signals.signal_type,
        signals.confidence,
        case
            when signals.signal_type = 'HOLD' then 'NOT_APPLICABLE'
            when entries.signal_id is null then 'NOT_APPLICABLE'
            else coalesce(measured.outcome, 'OPEN')
        end as outcome,
        measured.is_ambiguous,
        cast(case
            when signals.signal_type in ('BUY', 'SELL') then entries.entry_price
        end as {{ type_money() }}) as entry_price,
        measured.exit_price,
        measured.outcome_return,
        measured.outcome_return > 0 as is_win,
        measured.mae,
        measured.mfe,
        measured.bars_held,
        coalesce(executed_signals.executed_trades, 0) as executed_trades,
        executed_signals.executed_quantity,
        executed_signals.executed_net_profit,
        cast(executed_signals.executed_net_profit as {{ type_double() }})
        / cast(
            nullif(executed_signals.executed_value, 0) as {{ type_double() }}
        ) as executed_return,
        executed_signals.executed_available_at,
        signals.created_at,
        signals.valid_until_at,
        measured.resolved_at,
        -- An imported signal may have been resolved long before anybody here knew it.
        case
            when measured.resolved_at is not null
                then greatest(measured.resolved_at, signals.available_at)
        end as available_at
    from signals
    left join models
        on signals.model_id = models.model_id
    left join entries
        on signals.signal_id = entries.signal_id
    left join measured
        on signals.signal_id = measured.signal_id
    left join executed_signals
        on signals.signal_id = executed_signals.signal_id

)

select * from signal_outcomes {{ newest_together('signal_id') }}
