-- Grain: a UTC day with a round. Times are UTC.

{{ config(
    unique_key='decided_date',
    meta={
        'follows': {
            'int_ensemble_averages': 'decided_date',
            'int_ensemble_bars': 'decided_date'
        }
    },
    pre_hook="{{ avoid_nested_loops() }}"
) }}

with bars as (

    select *
    from {{ followed('int_ensemble_bars') }}

),

averages as (

    select * from {{ ref('int_ensemble_averages') }}

),

int_ensemble_daily_losses as (

    select
        bars.decided_date,
        count(*) as rounds,
        {{ sum_exactly(
            '(averages.probability_up - bars.went_up)'
            ~ ' * (averages.probability_up - bars.went_up)'
        ) }} as ensemble_loss,
        {{ sum_exactly(
            '(averages.equal_weights_probability_up - bars.went_up)'
            ~ ' * (averages.equal_weights_probability_up - bars.went_up)'
        ) }} as equal_weights_loss,
        max(bars.resolved_at) as resolved_at
    from averages
    inner join bars
        on
            averages.symbol = bars.symbol
            and averages.decided_at = bars.decided_at
    where bars.went_up is not null
    group by bars.decided_date

)

select * from int_ensemble_daily_losses
