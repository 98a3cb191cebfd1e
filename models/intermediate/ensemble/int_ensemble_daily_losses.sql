-- Grain: a UTC day with a round. Times are UTC.

{{ config(
    unique_key='decided_date',
    meta={
        'follows': {
            'ensemble_decisions': 'weight_date',
            'int_ensemble_bars': 'decided_date'
        }
    },
    pre_hook="{{ avoid_nested_loops() }}"
) }}

with bars as (

    select *
    from {{ followed('int_ensemble_bars') }}

),

decisions as (

    select * from {{ ref('ensemble_decisions') }}

),

int_ensemble_daily_losses as (

    select
        bars.decided_date,
        count(*) as rounds,
        {{ sum_exactly(
            '(decisions.probability_up - bars.went_up)'
            ~ ' * (decisions.probability_up - bars.went_up)'
        ) }} as ensemble_loss,
        {{ sum_exactly(
            '(decisions.equal_weights_probability_up - bars.went_up)'
            ~ ' * (decisions.equal_weights_probability_up - bars.went_up)'
        ) }} as equal_weights_loss,
        max(bars.resolved_at) as resolved_at
    from decisions
    inner join bars
        on
            decisions.symbol = bars.symbol
            and decisions.decided_at = bars.decided_at
    where bars.went_up is not null
    group by bars.decided_date

)

select * from int_ensemble_daily_losses
