-- Grain: a symbol and a close of its own timeframe at which an expert has a live
-- forecast. Times are UTC.

{{ config(
    unique_key=['symbol', 'decided_at'],
    tags=['live'],
    pre_hook="{{ avoid_nested_loops() }}"
) }}

with live_forecasts as (

    select *
    from {{ followed('int_ensemble_forecasts_live') }}

),

experts as (

    select * from {{ ref('int_ensemble_experts') }}

),

bars as (

    select *
    from {{ followed('int_ensemble_bars') }}

),

weights as (

    select * from {{ ref('expert_weights') }}

),

daily_weights as (

    select
        weights.weight_date,
        experts.expert_number,
        experts.expert_name,
        weights.experts,
        weights.weight
    from weights
    inner join experts
        on weights.expert_id = experts.expert_id

),

-- How far a forecast, with its weight, moves the ensemble from 0.5. Who is silent moves
-- nothing and needs no row.
moves as (

    select
        live_forecasts.symbol,
        live_forecasts.decided_at,
        live_forecasts.probability_up - 0.5 as lean,
        daily_weights.expert_name,
        daily_weights.experts,
        daily_weights.weight,
        daily_weights.weight * (live_forecasts.probability_up - 0.5) as move
    from live_forecasts
    inner join daily_weights
        on
            live_forecasts.expert_number = daily_weights.expert_number
            and live_forecasts.decided_date = daily_weights.weight_date

),

averaged as (

    select
        symbol,
        decided_at,
        max(experts) as experts,
        count(*) as contributors,
        cast({{ sum_exactly('weight') }} as {{ type_double() }}) as contributing_weight,
        cast({{ sum_exactly('move') }} as {{ type_double() }}) as ensemble_move,
        cast({{ sum_exactly('abs(move)') }} as {{ type_double() }}) as total_move,
        cast({{ sum_exactly('lean') }} as {{ type_double() }}) as total_lean,
        {{ names_by_weight('expert_name', 'abs(move)', 'lean > 0') }} as experts_up,
        {{ names_by_weight('expert_name', 'abs(move)', 'lean < 0') }} as experts_down
    from moves
    group by symbol, decided_at

),

-- Rounding must not carry a probability out of its range.
bounded as (

    select
        *,
        least(greatest(0.5 + ensemble_move, 0), 1) as probability_up
    from averaged

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
                when bounded.probability_up > 0.5 + {{ var('ensemble_deadband') }}
                    then 'BUY'
                when bounded.probability_up < 0.5 - {{ var('ensemble_deadband') }}
                    then 'SELL'
                else 'HOLD'
            end as {{ dbt.type_string() }}
        ) as decision,
        cast(bounded.probability_up as {{ type_double() }}) as probability_up,
        cast(2 * bounded.probability_up - 1 as {{ type_double() }}) as score,
        cast(
            case
                when bounded.total_move > 0
                    then least(abs(bounded.ensemble_move) / bounded.total_move, 1)
            end as {{ type_double() }}
        ) as agreement,
        cast(
            least(greatest(0.5 + bounded.total_lean / bounded.experts, 0), 1)
            as {{ type_double() }}
        ) as equal_weights_probability_up,
        cast(bounded.experts as bigint) as experts,
        bounded.contributors,
        cast(
            least(bounded.contributing_weight, 1) as {{ type_double() }}
        ) as contributing_weight,
        case
            when bounded.ensemble_move > 0 then bounded.experts_up
            when bounded.ensemble_move < 0 then bounded.experts_down
        end as confirming_experts,
        case
            when bounded.ensemble_move > 0 then bounded.experts_down
            when bounded.ensemble_move < 0 then bounded.experts_up
        end as contradicting_experts,
        bars.available_at
    from bounded
    inner join bars
        on
            bounded.symbol = bars.symbol
            and bounded.decided_at = bars.decided_at

)

select * from ensemble_decisions
