-- Grain: a symbol and a close at which an expert that decides has a live forecast.
-- Times are UTC.

{{ config(
    unique_key=['symbol', 'decided_at'],
    meta={
        'follows': {
            'int_ensemble_forecasts_live': 'symbol, decided_at',
            'int_ensemble_weights': through('this', 'decided_date', of='weight_date')
        }
    },
    indexes=[{'columns': ['decided_date']}],
    pre_hook="{{ avoid_nested_loops() }}"
) }}

with live_forecasts as (

    select *
    from {{ followed('int_ensemble_forecasts_live') }}

),

weights as (

    select * from {{ ref('int_ensemble_weights') }}

),

-- How far a forecast, with its weight, moves the ensemble from 0.5. A silent expert
-- moves nothing and needs no row.
moves as (

    select
        live_forecasts.symbol,
        live_forecasts.decided_at,
        live_forecasts.decided_date,
        live_forecasts.probability_up - 0.5 as lean,
        weights.expert_name,
        weights.experts,
        weights.weight,
        weights.weight * (live_forecasts.probability_up - 0.5) as move
    from live_forecasts
    inner join weights
        on
            live_forecasts.expert_number = weights.expert_number
            and live_forecasts.decided_date = weights.weight_date
    where live_forecasts.is_deciding

),

averaged as (

    select
        symbol,
        decided_at,
        decided_date,
        max(experts) as experts,
        count(*) as contributors,
        cast({{ sum_exactly('weight') }} as {{ type_double() }}) as contributing_weight,
        cast({{ sum_exactly('move') }} as {{ type_double() }}) as ensemble_move,
        cast({{ sum_exactly('abs(move)') }} as {{ type_double() }}) as total_move,
        cast({{ sum_exactly('lean') }} as {{ type_double() }}) as total_lean,
        {{ names_by_weight('expert_name', 'abs(move)', 'lean > 0') }} as experts_up,
        {{ names_by_weight('expert_name', 'abs(move)', 'lean < 0') }} as experts_down
    from moves
    group by symbol, decided_at, decided_date

),

-- Rounding must not carry a probability out of its range.
bounded as (

    select
        symbol,
        decided_at,
        decided_date,
        experts,
        contributors,
        least(contributing_weight, 1) as contributing_weight,
        ensemble_move,
        total_move,
        least(greatest(0.5 + ensemble_move, 0), 1) as probability_up,
        least(greatest(0.5 + total_lean / experts, 0), 1)
            as equal_weights_probability_up,
        experts_up,
        experts_down
    from averaged

)

select * from bounded
