-- Grain: a closed lot: the quantity that one opening and one closing order share. Times
-- are UTC.

{{ config(
    unique_key=['opening_order_id', 'closing_order_id'],
    meta={'follows': {'int_lots_closed': 'opening_order_id, closing_order_id'}},
    indexes=[{'columns': ['signal_id']}, {'columns': ['exit_at']}]
) }}

with closed_lots as (

    select *
    from {{ followed('int_lots_closed') }}

),

trades as (

    select
        cast(opening_order_id as {{ dbt.type_string() }})
        || '-'
        || cast(closing_order_id as {{ dbt.type_string() }}) as trade_id,
        opening_order_id,
        closing_order_id,
        signal_id,
        source_type,
        source_name,
        account,
        currency,
        symbol,
        direction,
        entry_tag,
        exit_reason,
        leverage,
        matched_within,
        quantity,
        entry_price,
        exit_price,
        fees,
        net_profit,
        result,
        entry_at,
        exit_at,
        exit_at as available_at
    from closed_lots

)

select * from trades {{ newest_together('closing_order_id') }}
