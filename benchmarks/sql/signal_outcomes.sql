-- For every signal its bars one after the other, until one touches a barrier. Every symbol has one
-- timeframe here.
with trades as (
    {trades}
),

executed as (
    select
        signal_id, count(*) as executed_trades, sum(quantity) as executed_quantity,
        sum(net_profit) as executed_net_profit, sum(entry_price * quantity) as executed_value
    from trades
    where signal_id is not null
    group by signal_id
),

judged as (
    select
        s.id,
        upper(s.signal_type) as signal_type,
        coalesce(s.expires_at, s.created_at + interval '1440 minutes') as valid_until_at,
        entry.close as entry_price,
        first.opened_at as first_opened_at,
        case
            when upper(s.signal_type) = 'BUY' and s.stop_loss < entry.close then s.stop_loss
            when upper(s.signal_type) = 'SELL' and s.take_profit < entry.close then s.take_profit
        end as lower_barrier,
        case
            when upper(s.signal_type) = 'BUY' and s.take_profit > entry.close then s.take_profit
            when upper(s.signal_type) = 'SELL' and s.stop_loss > entry.close then s.stop_loss
        end as upper_barrier
    from ai_trading_signals as s
    inner join lateral (
        select b.close
        from market_bars as b
        where
            b.symbol = s.symbol and b.timeframe = '1h'
            and b.opened_at <= s.created_at - interval '1 hour'
        order by b.opened_at desc
        limit 1
    ) as entry on entry.close > 0
    left join lateral (
        select b.opened_at
        from market_bars as b
        where b.symbol = s.symbol and b.timeframe = '1h' and b.opened_at >= s.created_at
        order by b.opened_at
        limit 1
    ) as first on true
),

-- The first bar counts however early the signal ends, the others if they open before it ends.
walked as (
    select
        j.id,
        b.opened_at,
        b.open,
        b.close,
        min(b.low) over bars_so_far as lowest,
        max(b.high) over bars_so_far as highest,
        coalesce(b.low <= j.lower_barrier, false) as is_low,
        coalesce(b.high >= j.upper_barrier, false) as is_high,
        row_number() over (partition by j.id order by b.opened_at) as bars_held,
        row_number() over (partition by j.id order by b.opened_at desc) as bars_left
    from judged as j
    inner join ai_trading_signals as s on j.id = s.id
    inner join market_bars as b
        on s.symbol = b.symbol and b.timeframe = '1h'
        and b.opened_at >= j.first_opened_at
        and (
            b.opened_at = j.first_opened_at
            or b.opened_at < j.valid_until_at
        )
    where j.signal_type in ('BUY', 'SELL')
    window bars_so_far as (
        partition by j.id order by b.opened_at rows between unbounded preceding and current row
    )
),

touched as (
    select distinct on (id) *
    from walked
    where is_low or is_high
    order by id, opened_at
),

-- The bar in which its life ends, if that is there.
expired as (
    select w.*
    from walked as w
    inner join judged as j on w.id = j.id
    where w.bars_left = 1 and j.valid_until_at <= w.opened_at + interval '1 hour'
),

resolved as (
    select * from touched
    union all
    select * from expired as e where not exists (select from touched as t where t.id = e.id)
),

priced as (
    select
        r.*, j.signal_type, j.entry_price,
        case
            when j.signal_type = 'BUY' and r.is_low then 'STOP_LOSS'
            when j.signal_type = 'SELL' and r.is_high then 'STOP_LOSS'
            when r.is_low or r.is_high then 'TAKE_PROFIT'
            else 'EXPIRED'
        end as outcome,
        case
            when not r.is_low and not r.is_high then r.close
            when case j.signal_type when 'BUY' then r.is_low else not r.is_high end
                then least(j.lower_barrier, r.open)
            else greatest(j.upper_barrier, r.open)
        end as exit_price,
        case j.signal_type when 'BUY' then 1 else -1 end as direction
    from resolved as r
    inner join judged as j on r.id = j.id
)

select
    s.id as signal_id,
    s.model_id,
    s.symbol,
    upper(s.signal_type) as signal_type,
    s.confidence,
    case
        when upper(s.signal_type) = 'HOLD' or j.id is null then 'NOT_APPLICABLE'
        else coalesce(p.outcome, 'OPEN')
    end as outcome,
    case when upper(s.signal_type) in ('BUY', 'SELL') then j.entry_price end as entry_price,
    p.exit_price,
    p.direction * (p.exit_price - p.entry_price)::double precision / p.entry_price::double precision
        as outcome_return,
    case p.direction
        when 1 then p.lowest - p.entry_price
        else p.entry_price - p.highest
    end::double precision / p.entry_price::double precision as mae,
    case p.direction
        when 1 then p.highest - p.entry_price
        else p.entry_price - p.lowest
    end::double precision / p.entry_price::double precision as mfe,
    p.bars_held,
    coalesce(e.executed_trades, 0) as executed_trades,
    e.executed_quantity,
    e.executed_net_profit,
    e.executed_net_profit::double precision / nullif(e.executed_value, 0)::double precision
        as executed_return,
    s.created_at,
    p.opened_at + interval '1 hour' as resolved_at
from ai_trading_signals as s
left join judged as j on s.id = j.id
left join priced as p on s.id = p.id
left join executed as e on s.id = e.signal_id
