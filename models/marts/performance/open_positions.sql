-- Grain: an order of which a filled quantity is still open. Times are UTC.

{{ config(
    unique_key='order_id',
    meta={
        'follows': {
            'int_open_positions': 'order_id',
            'int_last_closes': through('this', 'symbol', keys='order_id')
        }
    },
    indexes=[{'columns': ['symbol']}]
) }}

with positions as (

    select *
    from {{ followed('int_open_positions') }}

),

last_closes as (

    select * from {{ ref('int_last_closes') }}

),

open_positions as (

    select
        positions.order_id,
        positions.signal_id,
        positions.source_type,
        positions.source_name,
        positions.account,
        positions.currency,
        positions.symbol,
        positions.direction,
        positions.entry_tag,
        positions.leverage,
        positions.open_quantity,
        positions.price as entry_price,
        positions.fees,
        last_closes.close_price as last_close,
        last_closes.closed_at as last_close_at,
        -- What was paid so far counts; no cost of the exit is guessed. A bar's price,
        -- unlike a fill's, was never judged beside the quantity.
        cast(
            case
                when
                    abs({{ money_product(
                        'last_closes.close_price', 'positions.open_quantity'
                    ) }})
                    < {{ money_limit() }}
                    then
                        case positions.direction when 'LONG' then 1 else -1 end
                        * {{ money_product(
                            '(last_closes.close_price - positions.price)',
                            'positions.open_quantity'
                        ) }}
                        - positions.fees
            end as {{ type_money() }}
        ) as unrealized_profit,
        positions.opened_at,
        greatest(positions.available_at, last_closes.available_at) as available_at
    from positions
    left join last_closes
        on positions.symbol = last_closes.symbol

)

select * from open_positions
