-- The weights of a day add up to 1, whoever joined.

with expert_weights as (

    select * from {{ ref('expert_weights') }}

),

violations as (

    select
        weight_date,
        sum(weight) as total_weight
    from expert_weights
    group by weight_date
    having abs(sum(weight) - 1) > 1e-9

)

select * from violations
