-- Grain: an order with filled units that its trade plan left unmatched. Times are UTC.
-- Units are numbered within an account, currency and symbol, so a change touches all
-- later ones of these.

{{ config(
    unique_key='order_id',
    meta={
        'affected_by': ['account', 'currency', 'symbol'],
        'affected_from': 'filled_at',
        'follows': {
            'int_fills': 'account, currency, symbol, filled_at',
            'int_fills_matched_in_plan': [
                through(
                    'int_fills',
                    'order_id',
                    of='buy_order_id',
                    keys='account, currency, symbol, filled_at'
                ),
                through(
                    'int_fills',
                    'order_id',
                    of='sell_order_id',
                    keys='account, currency, symbol, filled_at'
                )
            ]
        }
    },
    indexes=[
        {'columns': [
            'symbol', 'account', 'currency', 'side', 'filled_at', 'last_unit'
        ]},
        {'columns': ['symbol', 'account', 'currency', 'last_unit']}
    ],
    pre_hook="{{ avoid_nested_loops() }}"
) }}

with fills as (

    select * from {{ followed('int_fills') }}

),

{% if is_from_changes() %}

    -- The units of the fills before the first one that changed keep their numbers.
    kept as (  -- noqa: ST03

        {% for side in ['BUY', 'SELL'] %}
            select
                affected.account,
                affected.currency,
                affected.symbol,
                '{{ side }}' as side,
                last_kept.last_unit
            from affected
            cross join
                lateral (
                    select stored.last_unit
                    from {{ this }} as stored
                    where
                        stored.account = affected.account
                        and stored.currency = affected.currency
                        and stored.symbol = affected.symbol
                        and stored.side = '{{ side }}'
                        and stored.filled_at < affected.from_filled_at
                    order by stored.filled_at desc, stored.last_unit desc
                    limit 1
                ) as last_kept
            {{ 'union all' if not loop.last }}
        {% endfor %}

    ),

    -- Looked up fill by fill: there are far more matches than changed fills.
    matched_sides as (

        {% for side in ['buy', 'sell'] %}
            select
                fills.order_id,
                matches.quantity
            from fills
            inner join lateral (
                select matched.quantity
                from {{ ref('int_fills_matched_in_plan') }} as matched
                where matched.{{ side }}_order_id = fills.order_id
                {{ kept_apart() }}
            ) as matches on true
            {{ 'union all' if not loop.last }}
        {% endfor %}

    ),

{% else %}

    matched_sides as (

        {% for side in ['buy', 'sell'] %}
            select
                {{ side }}_order_id as order_id,
                quantity
            from {{ ref('int_fills_matched_in_plan') }}
            {{ 'union all' if not loop.last }}
        {% endfor %}

    ),

{% endif %}

matched_orders as (

    select
        order_id,
        cast(sum(quantity) as {{ type_money() }}) as matched_quantity
    from matched_sides
    group by order_id

),

-- Matching takes a fill's units from its beginning, so the units left are its last
-- ones.
rest_of_fills as (

    select
        fills.order_id,
        fills.account,
        fills.currency,
        fills.symbol,
        fills.side,
        cast(
            fills.quantity - coalesce(matched_orders.matched_quantity, 0)
            as {{ type_money() }}
        ) as quantity,
        cast(
            coalesce(matched_orders.matched_quantity, 0) as {{ type_money() }}
        ) as matched_quantity,
        fills.filled_at
    from fills
    left join matched_orders
        on fills.order_id = matched_orders.order_id
    where fills.quantity > coalesce(matched_orders.matched_quantity, 0)

),

numbered_fills as (

    {{ number_units('rest_of_fills', ['account', 'currency', 'symbol']) }}

),

fills_left_by_plans as (

    select
        numbered_fills.order_id,
        numbered_fills.account,
        numbered_fills.currency,
        numbered_fills.symbol,
        numbered_fills.side,
        numbered_fills.quantity,
        numbered_fills.matched_quantity,
        {% if is_from_changes() %}
            cast(
                coalesce(kept.last_unit, 0)  -- noqa: RF01
                + numbered_fills.last_unit
                as {{ type_money() }}
            ) as last_unit,
        {% else %}
            numbered_fills.last_unit,
        {% endif %}
        numbered_fills.filled_at
    from numbered_fills
    {% if is_from_changes() %}
        left join kept  -- noqa: ST11
            on
                numbered_fills.account = kept.account
                and numbered_fills.currency = kept.currency
                and numbered_fills.symbol = kept.symbol
                and numbered_fills.side = kept.side
    {% endif %}

)

select * from fills_left_by_plans
