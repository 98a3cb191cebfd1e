-- Grain: a symbol and a close of its own timeframe at which an expert has a live
-- forecast. Times are UTC.

{{ config(
    unique_key=['symbol', 'decided_at'],
    meta={
        'follows': {
            'int_ensemble_averages': 'symbol, decided_at',
            'int_ensemble_bars': 'symbol, decided_at'
        }
    },
    tags=['live'],
    pre_hook="{{ avoid_nested_loops() }}"
) }}

with averages as (

    select *
    from {{ followed('int_ensemble_averages') }}

),

bars as (

    select *
    from {{ followed('int_ensemble_bars') }}

),

ensemble_decisions as (

    select
        bars.symbol,
        bars.decided_at,
        bars.timeframe,
        bars.close_price,
        bars.decided_date as weight_date,
        cast(
            case
                when averages.probability_up > 0.5 + {{ var('ensemble_deadband') }}
                    then 'BUY'
                when averages.probability_up < 0.5 - {{ var('ensemble_deadband') }}
                    then 'SELL'
                else 'HOLD'
            end as {{ dbt.type_string() }}
        ) as decision,
        averages.probability_up,
        2 * averages.probability_up - 1 as score,
        case
            when averages.total_move > 0
                then least(abs(averages.ensemble_move) / averages.total_move, 1)
        end as agreement,
        averages.equal_weights_probability_up,
        averages.experts,
        averages.contributors,
        averages.contributing_weight,
        case
            when averages.ensemble_move > 0 then averages.experts_up
            when averages.ensemble_move < 0 then averages.experts_down
        end as confirming_experts,
        case
            when averages.ensemble_move > 0 then averages.experts_down
            when averages.ensemble_move < 0 then averages.experts_up
        end as contradicting_experts,
        bars.available_at
    from averages
    inner join bars
        on
            averages.symbol = bars.symbol
            and averages.decided_at = bars.decided_at

)

select * from ensemble_decisions
