-- BUY and SELL signals with the relation to their pattern and with their outcome.
select
    s.id, s.model_id, s.symbol, upper(s.signal_type) as signal_type,
    greatest(1, ceil(s.confidence::numeric * 10)::integer) as confidence_bin,
    case
        when p.id is null then 'no_pattern'
        when upper(p.signal) = upper(s.signal_type) then 'confirm'
        when upper(p.signal) in ('BUY', 'SELL') then 'contradict'
        else 'neutral'
    end as relation,
    s.created_at,
    case when target.close is not null then target.opened_at + interval '1 hour' end
        as resolved_at,
    case
        when target.close = known.close then null
        else ((target.close > known.close) = (upper(s.signal_type) = 'BUY'))::integer
    end as is_win
from ai_trading_signals as s
left join micro_patterns as p on s.pattern_id = p.id and s.created_at >= p.created_at
left join lateral (
    select b.opened_at, b.close
    from market_bars as b
    where
        b.symbol = s.symbol and b.timeframe = '1h'
        and b.opened_at >= s.created_at - interval '1 hour'
    order by b.opened_at
    limit 1
) as known on true
left join lateral (
    select b.opened_at, b.close
    from market_bars as b
    where b.symbol = s.symbol and b.timeframe = '1h' and b.opened_at > known.opened_at
    order by b.opened_at
    offset 11 limit 1
) as target on true
where upper(s.signal_type) in ('BUY', 'SELL')
