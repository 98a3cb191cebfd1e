-- The latest forecast of each expert, at every close at which it is live. Bars are hourly here.
select distinct on (b.symbol, b.opened_at, f.expert_id)
    b.symbol, b.opened_at, b.closed_at, b.decided_date, b.went_up,
    (b.resolved_at at time zone 'UTC')::date as resolved_date,
    b.resolved_at, f.expert_id, f.expert_name, f.probability_up
from (
    select
        s.symbol, s.created_at, s.expires_at, 2 as kind, s.id,
        'model: ' || m.model_name || ' ' || m.version as expert_id,
        m.model_name || ' ' || m.version as expert_name,
        case upper(s.signal_type)
            when 'BUY' then 0.5 + s.confidence / 2
            when 'SELL' then 0.5 - s.confidence / 2
            else 0.5
        end as probability_up
    from ai_trading_signals as s
    inner join ai_models as m on s.model_id = m.id
    union all
    select
        symbol, created_at, null, 1, id, 'pattern: ' || pattern_type, pattern_type,
        case upper(signal)
            when 'BUY' then 0.5 + confidence / 2
            when 'SELL' then 0.5 - confidence / 2
            else 0.5
        end
    from micro_patterns
) as f
cross join generate_series(0, 23) as later (n)
inner join (
    select
        symbol,
        opened_at,
        opened_at + interval '1 hour' as closed_at,
        ((opened_at + interval '1 hour') at time zone 'UTC')::date as decided_date,
        case
            when lead(close, 12) over later > close then 1
            when lead(close, 12) over later < close then 0
        end as went_up,
        lead(opened_at, 12) over later + interval '1 hour' as resolved_at
    from market_bars
    window later as (partition by symbol order by opened_at)
) as b
    on f.symbol = b.symbol
    -- The first close at which it was known, and those after it.
    and date_trunc('hour', f.created_at - interval '1 microsecond', 'UTC')
    + later.n * interval '1 hour' = b.opened_at
    and (f.expires_at is null or b.closed_at < f.expires_at)
inner join (
    {joined_experts}
) as e on f.expert_id = e.expert_id and b.decided_date >= e.joined_date
order by b.symbol, b.opened_at, f.expert_id, f.created_at desc, f.kind desc, f.id desc
