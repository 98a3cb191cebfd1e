-- Grain: a signal that is over: its hypothetical trade is resolved, and nothing of its
-- real one is open. Times are UTC.

{{ config(
    unique_key='signal_id',
    meta={
        'follows': {
            'stg_ai__trading_signals': 'signal_id',
            'stg_ai__models': through('stg_ai__trading_signals', 'model_id'),
            'int_signal_outcomes': 'signal_id',
            'int_signal_gaps': 'signal_id',
            'int_open_positions': 'signal_id'
        }
    },
    indexes=[{'columns': ['model_id', 'closed_at']}],
    pre_hook="{{ avoid_nested_loops() }}"
) }}

{# Each lot's profit was rounded to the last decimal of money, and there may be many. #}
{% set decimals = [
    var('account_decimals') | int(1), [var('money_decimals') | int(7) - 6, 0] | max
] | min %}

with signals as (

    select *
    from {{ followed('stg_ai__trading_signals') }}

),

models as (

    select * from {{ ref('stg_ai__models') }}

),

outcomes as (

    select *
    from {{ followed('int_signal_outcomes') }}

),

open_positions as (

    select *
    from {{ followed('int_open_positions') }}

),

gaps as (

    select *
    from {{ followed('int_signal_gaps') }}

),

-- Without an order, nothing has another size. Left out: profits of several currencies,
-- which have no sum, and amounts that were never judged, of a bar's price and an
-- order's quantity.
split as (

    select
        gaps.*,
        gaps.hypothetical_profit
        - coalesce(gaps.ordered_profit, gaps.hypothetical_profit) as size,
        coalesce(gaps.ordered_profit, gaps.hypothetical_profit)
        - gaps.untouched as not_traded
    from gaps
    where
        (gaps.trades = 0 or gaps.currency is not null)
        {% for amount in [
            'hypothetical_profit', 'ordered_profit', 'untouched', 'delay', 'price', 'exit'
        ] %}
            and coalesce(abs(gaps.{{ amount }}), 0) < {{ money_limit() }}
        {% endfor %}

),

signal_gaps as (

    select
        signals.signal_id,
        signals.model_id,
        coalesce(models.model_name, 'unknown') as model_name,
        coalesce(models.model_version, 'unknown') as model_version,
        signals.symbol,
        signals.signal_type,
        outcomes.outcome,
        gaps.currency,
        cast(gaps.ordered_quantity as {{ type_money() }}) as ordered_quantity,
        cast(gaps.quantity as {{ type_money() }}) as executed_quantity,
        gaps.trades as executed_trades,
        {% for amount in [
            'hypothetical_profit', 'size', 'not_traded', 'delay', 'price', 'exit', 'fees'
        ] %}
            cast(split.{{ amount }} as {{ type_money() }}) as {{ amount }},
        {% endfor %}
        cast(split.net_profit as {{ type_money() }}) as real_profit,
        cast(
            round(
                split.hypothetical_profit - split.net_profit
                - split.size - split.not_traded - split.delay
                - split.price - split.exit - split.fees,
                {{ decimals }}
            ) as {{ type_money() }}
        ) as residual,
        signals.created_at,
        greatest(outcomes.resolved_at, gaps.exit_at) as closed_at,
        greatest(outcomes.available_at, gaps.ordered_at, gaps.exit_at) as available_at
    from signals
    inner join outcomes
        on signals.signal_id = outcomes.signal_id
    inner join gaps
        on signals.signal_id = gaps.signal_id
    left join split
        on signals.signal_id = split.signal_id
    left join models
        on signals.model_id = models.model_id
    where not exists (
        select 1
        from open_positions
        where open_positions.signal_id = signals.signal_id
    )

)

select * from signal_gaps {{ newest_together('signal_id') }}
