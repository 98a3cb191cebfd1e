-- First in, first out: first within the plan, then the units left within the symbol. A fill is a
-- range of units, and a trade is where a range bought and a range sold overlap.
with fills as (
    select
        id, trade_plan_id, symbol, upper(side) as side, filled_quantity as quantity,
        coalesce(filled_price, price) as price, coalesce(fee, 0) as fee,
        coalesce(filled_at, created_at) as filled_at
    from trading_orders
    where filled_quantity > 0
),

plan_ranges as (
    select
        *,
        sum(quantity) over (
            partition by trade_plan_id, symbol, side order by filled_at, id
        ) as until_unit
    from fills
    where trade_plan_id is not null
),

in_plan as (
    select
        b.id as buy_id, s.id as sell_id, 'trade_plan' as matched_within,
        least(b.until_unit, s.until_unit)
        - greatest(b.until_unit - b.quantity, s.until_unit - s.quantity) as quantity,
        greatest(0, s.until_unit - s.quantity - b.until_unit + b.quantity) as buy_before,
        greatest(0, b.until_unit - b.quantity - s.until_unit + s.quantity) as sell_before
    from plan_ranges as b
    inner join plan_ranges as s
        on b.trade_plan_id = s.trade_plan_id and b.symbol = s.symbol
        and b.side = 'BUY' and s.side = 'SELL'
        and b.until_unit > s.until_unit - s.quantity and s.until_unit > b.until_unit - b.quantity
),

matched_units as (
    select id, sum(quantity) as quantity
    from (
        select buy_id as id, quantity from in_plan
        union all
        select sell_id, quantity from in_plan
    ) as sides
    group by id
),

rests as (
    select
        f.id, f.symbol, f.side, coalesce(m.quantity, 0) as matched,
        f.quantity - coalesce(m.quantity, 0) as quantity, f.filled_at
    from fills as f
    left join matched_units as m on f.id = m.id
    where f.quantity > coalesce(m.quantity, 0)
),

symbol_ranges as (
    select *, sum(quantity) over (partition by symbol, side order by filled_at, id) as until_unit
    from rests
),

-- Every buy of a symbol is compared with every sell of it.
in_symbol as (
    select
        b.id as buy_id, s.id as sell_id, 'symbol' as matched_within,
        least(b.until_unit, s.until_unit)
        - greatest(b.until_unit - b.quantity, s.until_unit - s.quantity) as quantity,
        b.matched + greatest(0, s.until_unit - s.quantity - b.until_unit + b.quantity)
            as buy_before,
        s.matched + greatest(0, b.until_unit - b.quantity - s.until_unit + s.quantity)
            as sell_before
    from symbol_ranges as b
    inner join symbol_ranges as s
        on b.symbol = s.symbol and b.side = 'BUY' and s.side = 'SELL'
        and b.until_unit > s.until_unit - s.quantity and s.until_unit > b.until_unit - b.quantity
),

lots as (
    select
        m.*, b.symbol, b.price as buy_price, s.price as sell_price,
        b.filled_at as bought_at, s.filled_at as sold_at,
        (b.filled_at, b.id) < (s.filled_at, s.id) as is_long,
        round(b.fee * (m.buy_before + m.quantity) / b.quantity, 18)
        - round(b.fee * m.buy_before / b.quantity, 18)
        + round(s.fee * (m.sell_before + m.quantity) / s.quantity, 18)
        - round(s.fee * m.sell_before / s.quantity, 18) as fees
    from (select * from in_plan union all select * from in_symbol) as m
    inner join fills as b on m.buy_id = b.id
    inner join fills as s on m.sell_id = s.id
),

orders as (
    {order_attribution}
)

select
    case when is_long then buy_id else sell_id end as opening_order_id,
    case when is_long then sell_id else buy_id end as closing_order_id,
    o.signal_id,
    o.source_type,
    o.source_name,
    lots.symbol,
    case when is_long then 'LONG' else 'SHORT' end as direction,
    lots.matched_within,
    lots.quantity,
    case when is_long then buy_price else sell_price end as entry_price,
    case when is_long then sell_price else buy_price end as exit_price,
    lots.fees,
    round((sell_price - buy_price) * quantity - fees, 18) as net_profit,
    case sign(round((sell_price - buy_price) * quantity - fees, 8))
        when 1 then 'WIN' when -1 then 'LOSS' else 'BREAK_EVEN'
    end as result,
    case when is_long then bought_at else sold_at end as entry_at,
    case when is_long then sold_at else bought_at end as exit_at
from lots
inner join orders as o on case when is_long then buy_id else sell_id end = o.order_id
