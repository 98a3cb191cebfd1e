-- Grain: an episode of a model's training. Times are UTC.

{% set rules = [
    ['model_id', 'present'],
    ['episode_number', 'present'],
    ['episode_number', 'not_negative'],
    ['total_reward', 'present'],
    ['total_reward', 'double'],
    ['episode_length', 'present'],
    ['episode_length', 'not_negative'],
    ['average_loss', 'double'],
    ['portfolio_value', 'money'],
    ['sharpe_ratio', 'double'],
    ['created_at', 'present'],
    ['created_at', 'moment'],
    ['imported_at', 'moment'],
] %}

{{ config(
    unique_key='episode_id',
    meta={'landing_key': ['id'], 'rules': rules},
    indexes=[
        {'columns': ['model_id', 'episode_number']},
        {'columns': ['model_id', 'available_at']},
        {'columns': ['model_id', '(' ~ step_block(number='episode_number') ~ ')']}
    ]
) }}

with source as (

    {{ usable_rows(source('ai', 'rl_training_episodes'), rules) }}

),

renamed as (

    select
        -- ids
        id as episode_id,
        model_id,

        -- strings
        training_data,

        -- numerics
        episode_number,
        cast(total_reward as {{ type_double() }}) as total_reward,
        episode_length,
        cast(average_loss as {{ type_double() }}) as average_loss,
        cast(portfolio_value as {{ type_money() }}) as portfolio_value,
        cast(sharpe_ratio as {{ type_double() }}) as sharpe_ratio,

        -- timestamps
        created_at,
        greatest(created_at, coalesce(imported_at, created_at)) as available_at
    from source

)

select * from renamed
