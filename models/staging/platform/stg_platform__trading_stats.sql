-- Grain: a trading day of an account, as the platform reports it. Days are UTC.

{% set same = ['date', name_or_main('account'), name_or_main('currency')] %}
{% set rules = [
    ['id', 'key'],
    ['date', 'present'],
    ['date', 'day'],
    ['date', 'first', same, 'id', 'the day was reported before'],
    ['net_profit', 'money'],
    ['account', 'name'],
    ['currency', 'name'],
] %}

{{ config(
    unique_key='trading_stat_id',
    meta={'landing_key': ['id'], 'is_whole': true, 'rules': rules}
) }}

with source as (

    {{ usable_rows(source('platform', 'trading_stats'), rules) }}

),

renamed as (

    select
        -- ids
        id as trading_stat_id,

        -- strings
        cast({{ name_or_main('account') }} as {{ dbt.type_string() }}) as account,
        cast({{ name_or_main('currency') }} as {{ dbt.type_string() }}) as currency,

        -- numerics
        cast(net_profit as {{ type_money() }}) as net_profit,
        total_trades,
        winning_trades,
        losing_trades,

        -- dates and timestamps
        date as trading_date,
        -- A day's result is known when the day is over.
        {{ utc_midnight('date + 1') }} as available_at
    from source

)

select * from renamed
