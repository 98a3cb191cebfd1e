with trades as (
    {trades}
),

days as (
    {trading_days}
)

select
    d.trading_date,
    r.net_profit as reported_net_profit,
    coalesce(t.ai_net_profit, 0) as ai_net_profit,
    coalesce(t.traditional_net_profit, 0) as traditional_net_profit,
    r.net_profit - coalesce(t.ai_net_profit, 0) - coalesce(t.traditional_net_profit, 0)
        as unreconciled_profit,
    abs(r.net_profit - coalesce(t.ai_net_profit, 0) - coalesce(t.traditional_net_profit, 0))
    <= 0.5e-8 * (1 + coalesce(t.ai_trades, 0) + coalesce(t.traditional_trades, 0))
        as is_reconciled,
    r.total_trades as reported_trades,
    coalesce(t.ai_trades, 0) as ai_trades,
    coalesce(t.traditional_trades, 0) as traditional_trades,
    coalesce(s.buys, 0) as ai_buy_signals,
    coalesce(s.sells, 0) as ai_sell_signals,
    coalesce(s.holds, 0) as ai_hold_signals,
    s.avg_ai_confidence
from days as d
left join (
    select date, sum(net_profit) as net_profit, sum(total_trades) as total_trades
    from trading_stats
    group by date
) as r on d.trading_date = r.date
left join (
    select
        (exit_at at time zone 'UTC')::date as date,
        sum(net_profit) filter (where source_type = 'ai') as ai_net_profit,
        sum(net_profit) filter (where source_type = 'traditional') as traditional_net_profit,
        count(*) filter (where source_type = 'ai') as ai_trades,
        count(*) filter (where source_type = 'traditional') as traditional_trades
    from trades
    group by 1
) as t on d.trading_date = t.date
left join (
    select
        (created_at at time zone 'UTC')::date as date,
        count(*) filter (where upper(signal_type) = 'BUY') as buys,
        count(*) filter (where upper(signal_type) = 'SELL') as sells,
        count(*) filter (where upper(signal_type) = 'HOLD') as holds,
        avg(confidence) as avg_ai_confidence
    from ai_trading_signals
    group by 1
) as s on d.trading_date = s.date
