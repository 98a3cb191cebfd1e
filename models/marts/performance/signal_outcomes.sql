-- Grain: a signal. Times are UTC.

{{ config(
    unique_key='signal_id',
    meta={
        'follows': {
            'stg_ai__trading_signals': 'signal_id',
            'stg_ai__models': through('stg_ai__trading_signals', 'model_id'),
            'int_signal_bars': 'signal_id',
            'int_signal_outcomes': 'signal_id',
            'int_lots_closed': 'signal_id'
        }
    },
    indexes=[{'columns': ['model_id', 'created_at']}],
    pre_hook="{{ avoid_nested_loops() }}"
) }}

{# Then each relation is small, and the planner knows it: they are joined as a whole,
not row by row. #}
{% set materialized = 'materialized' if is_from_changes() else '' %}

with signals as {{ materialized }} (

    select *
    from {{ followed('stg_ai__trading_signals') }}

),

models as (

    select * from {{ ref('stg_ai__models') }}

),

-- A signal may have come when no bar had closed, or for a symbol that has none.
entries as {{ materialized }} (

    select
        signal_id,
        entry_price
    from {{ followed('int_signal_bars') }}
    where entry_price > 0

),

outcomes as {{ materialized }} (

    select *
    from {{ followed('int_signal_outcomes') }}

),

-- One row a signal before the join, so that its trades do not multiply it. Profits of
-- different currencies have no sum.
executed_signals as (

    select
        signal_id,
        count(*) as executed_trades,
        cast(sum(quantity) as {{ type_money() }}) as executed_quantity,
        case
            when min(currency) = max(currency) then min(currency)
        end as executed_currency,
        cast(sum(net_profit) as {{ type_money() }}) as net_profit,
        cast(sum({{ money_product(
            'entry_price', 'quantity'
        ) }}) as {{ type_money() }}) as entry_value,
        max(exit_at) as executed_available_at
    from {{ followed('int_lots_closed') }}
    where signal_id is not null
    group by signal_id

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
            else coalesce(outcomes.outcome, 'OPEN')
        end as outcome,
        outcomes.is_ambiguous,
        cast(case
            when signals.signal_type in ('BUY', 'SELL') then entries.entry_price
        end as {{ type_money() }}) as entry_price,
        signals.stop_loss as stop_loss_price,
        signals.take_profit as take_profit_price,
        outcomes.exit_price,
        outcomes.outcome_return,
        outcomes.is_win,
        outcomes.mae,
        outcomes.mfe,
        outcomes.bars_held,
        coalesce(executed_signals.executed_trades, 0) as executed_trades,
        executed_signals.executed_quantity,
        executed_signals.executed_currency,
        cast(
            case
                when executed_signals.executed_currency is not null
                    then executed_signals.net_profit
            end as {{ type_money() }}
        ) as executed_net_profit,
        case
            when executed_signals.executed_currency is not null
                then
                    cast(executed_signals.net_profit as {{ type_double() }})
                    / cast(
                        nullif(executed_signals.entry_value, 0) as {{ type_double() }}
                    )
        end as executed_return,
        executed_signals.executed_available_at,
        signals.created_at,
        signals.valid_until_at,
        outcomes.resolved_at,
        outcomes.available_at
    from signals
    left join models
        on signals.model_id = models.model_id
    left join entries
        on signals.signal_id = entries.signal_id
    left join outcomes
        on signals.signal_id = outcomes.signal_id
    left join executed_signals
        on signals.signal_id = executed_signals.signal_id

)

select * from signal_outcomes {{ newest_together('signal_id') }}
