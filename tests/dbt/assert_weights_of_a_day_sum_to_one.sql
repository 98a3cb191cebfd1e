-- The weights of a day add up to 1, whoever joined, or to 0 where no expert decides.

with expert_weights as (

    select * from {{ ref('expert_weights') }}

),

violations as (

    select
        weight_date,
        sum(weight) as total_weight
    from expert_weights
    group by weight_date
    having abs(sum(weight) - case when max(experts) > 0 then 1 else 0 end) > 1e-9

)

select * from violations
