-- Grain: a closed lot: the quantity that one opening and one closing order share. Times
-- are UTC.

{# The linter has no value for a var: the default of int is for it alone. #}
{% set account_decimals = var('account_decimals') | int(1) %}

{{ config(
    unique_key=['opening_order_id', 'closing_order_id'],
    meta={
        'follows': {
            'int_lots_closed': 'opening_order_id, closing_order_id',
            'int_orders_attributed': through(
                'int_lots_closed', 'opening_order_id', of='order_id'
            )
        }
    },
    indexes=[
        {'columns': ['signal_id']},
        {'columns': ['exit_at']},
        {'columns': ['(' ~ utc_date('exit_at') ~ ')']},
        {'columns': ['(' ~ utc_date('entry_at') ~ ')']}
    ]
) }}

with closed_lots as (

    select *
    from {{ followed('int_lots_closed') }}

),

attributed_orders as (

    select * from {{ ref('int_orders_attributed') }}

),

-- Two orders share units at most once, so the pair is the key. Within a stage, a
-- segment of units is the intersection of two intervals, of which there is one. In both
-- stages they cannot meet: of the fills of one plan and symbol, the first stage leaves
-- a rest on one side only.
trades as (

    select
        cast(closed_lots.opening_order_id as {{ dbt.type_string() }})
        || '-'
        || cast(closed_lots.closing_order_id as {{ dbt.type_string() }}) as trade_id,
        closed_lots.opening_order_id,
        closed_lots.closing_order_id,
        attributed_orders.signal_id,
        attributed_orders.source_type,
        attributed_orders.source_name,
        closed_lots.symbol,
        closed_lots.direction,
        closed_lots.matched_within,
        closed_lots.quantity,
        closed_lots.entry_price,
        closed_lots.exit_price,
        closed_lots.fees,
        closed_lots.net_profit,
        cast(
            case sign(round(closed_lots.net_profit, {{ account_decimals }}))
                when 1 then 'WIN'
                when -1 then 'LOSS'
                else 'BREAK_EVEN'
            end as {{ dbt.type_string() }}
        ) as result,
        closed_lots.entry_at,
        closed_lots.exit_at,
        closed_lots.exit_at as available_at
    from closed_lots
    inner join attributed_orders
        on closed_lots.opening_order_id = attributed_orders.order_id

)

select * from trades {{ newest_together('closing_order_id') }}
