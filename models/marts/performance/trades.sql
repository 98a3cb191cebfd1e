-- Grain: a closed lot: the quantity that one opening and one closing order share. Times
-- are UTC.

{{ config(
    unique_key=['opening_order_id', 'closing_order_id'],
    meta={
        'follows': {
            'int_lots_closed': 'opening_order_id, closing_order_id',
            'int_lot_excursions': 'opening_order_id, closing_order_id'
        }
    },
    indexes=[
        {'columns': ['signal_id']},
        {'columns': ['exit_at']},
        {'columns': ['trade_id']}
    ]
) }}

with closed_lots as (

    select *
    from {{ followed('int_lots_closed') }}

),

excursions as (

    select *
    from {{ followed('int_lot_excursions') }}

),

-- The lot's own prices were met as well.
priced_lots as (

    select
        closed_lots.*,
        case
            when closed_lots.entry_price > 0
                then cast(closed_lots.entry_price as {{ type_double() }})
        end as paid_price,
        case
            when excursions.lowest_price is not null
                then least(
                    excursions.lowest_price,
                    closed_lots.entry_price,
                    closed_lots.exit_price
                )
        end as lowest_price,
        case
            when excursions.highest_price is not null
                then greatest(
                    excursions.highest_price,
                    closed_lots.entry_price,
                    closed_lots.exit_price
                )
        end as highest_price
    from closed_lots
    inner join excursions
        on
            closed_lots.opening_order_id = excursions.opening_order_id
            and closed_lots.closing_order_id = excursions.closing_order_id

),

trades as (

    select
        cast(opening_order_id as {{ dbt.type_string() }})
        || '-'
        || cast(closing_order_id as {{ dbt.type_string() }}) as trade_id,
        opening_order_id,
        closing_order_id,
        signal_id,
        trade_plan_id,
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
        planned_entry_price,
        stop_price,
        target_price,
        initial_risk,
        fees,
        net_profit,
        result,
        r_multiple,
        {% for measure, of_long, of_short in [
            ('mae', 'lowest_price - entry_price', 'entry_price - highest_price'),
            ('mfe', 'highest_price - entry_price', 'entry_price - lowest_price')
        ] %}
            cast(
                case direction when 'LONG' then {{ of_long }} else {{ of_short }} end
                as {{ type_double() }}
            ) / paid_price as {{ measure }},
        {% endfor %}
        entry_at,
        exit_at,
        exit_at as available_at
    from priced_lots

)

select * from trades {{ newest_together('closing_order_id') }}
