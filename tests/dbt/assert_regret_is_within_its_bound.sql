-- The ensemble never loses more than the bounds beyond the best expert and the best
-- sequence of experts. A failure means that weights, losses or bounds are computed
-- wrongly, not that the experts are bad.

with ensemble_regret as (

    select * from {{ ref('ensemble_regret') }}

),

violations as (

    select
        decision_date,
        regret,
        regret_bound,
        sequence_regret,
        sequence_bound
    from ensemble_regret
    where
        regret > regret_bound + 1e-9
        or sequence_regret > sequence_bound + 1e-9

)

select * from violations
