-- The fees of trades and open positions add up to the fees of the orders, to the last
-- decimal, in each account, currency and symbol.

with fills as (

    select * from {{ ref('int_fills') }}

),

trades as (

    select * from {{ ref('trades') }}

),

open_positions as (

    select * from {{ ref('int_open_positions') }}

),

signed_fees as (

    select
        account,
        currency,
        symbol,
        fee as difference
    from fills

    union all

    select
        account,
        currency,
        symbol,
        -fees as difference
    from trades

    union all

    select
        account,
        currency,
        symbol,
        -fees as difference
    from open_positions

),

violations as (

    select
        account,
        currency,
        symbol,
        sum(difference) as missing_fees
    from signed_fees
    group by account, currency, symbol
    having sum(difference) <> 0

)

select * from violations
