-- A trade is opened and closed by orders of its account, currency and symbol on
-- opposite sides, the opening one first.

with trades as (

    select * from {{ ref('trades') }}

),

fills as (

    select * from {{ ref('int_fills') }}

),

violations as (

    select
        trades.trade_id,
        opening.side as opening_side,
        closing.side as closing_side
    from trades
    left join fills as opening
        on trades.opening_order_id = opening.order_id
    left join fills as closing
        on trades.closing_order_id = closing.order_id
    where
        (
            trades.direction = case opening.side when 'BUY' then 'LONG' else 'SHORT' end
            and opening.side <> closing.side
            {% for column in ['account', 'currency', 'symbol'] %}
                and opening.{{ column }} = trades.{{ column }}
                and closing.{{ column }} = trades.{{ column }}
            {% endfor %}
            and trades.entry_at <= trades.exit_at
        ) is not true

)

select * from violations
