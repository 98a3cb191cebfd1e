-- The demo's summary: one JSON object a topic, all from the marts.

select
    'sources' as topic,
    jsonb_agg(to_jsonb(rows) order by rows.source_type) as rows
from (
    select
        source_type,
        count(*) as trades,
        count(*) filter (where result = 'WIN') as wins,
        count(*) filter (where result = 'LOSS') as losses,
        sum(fees) as fees,
        sum(net_profit) as net_profit
    from performance.trades
    group by source_type
) as rows

union all

select
    'names' as topic,
    jsonb_agg(to_jsonb(rows) order by rows.net_profit desc) as rows
from (
    select
        source_type,
        source_name,
        count(*) as trades,
        count(*) filter (where result = 'WIN') as wins,
        count(*) filter (where result = 'LOSS') as losses,
        sum(net_profit) as net_profit
    from performance.trades
    group by source_type, source_name
) as rows

union all

select
    'relations' as topic,
    jsonb_agg(to_jsonb(rows) order by rows.relation) as rows
from (
    select
        confluence.relation,
        count(distinct confluence.signal_id) as signals,
        count(distinct confluence.signal_id) filter (
            where confluence.order_count > 0
        ) as traded,
        count(trades.trade_id) as trades,
        count(trades.trade_id) filter (where trades.result = 'WIN') as wins,
        count(trades.trade_id) filter (where trades.result = 'LOSS') as losses,
        sum(trades.net_profit) as net_profit
    from ensemble.signal_confluence as confluence
    left join performance.trades as trades on confluence.signal_id = trades.signal_id
    group by confluence.relation
) as rows

union all

select
    'account' as topic,
    jsonb_agg(to_jsonb(rows)) as rows
from (
    select
        min(trading_date) as first_date,
        max(trading_date) as last_date,
        sum(ai_net_profit) as ai_net_profit,
        sum(traditional_net_profit) as traditional_net_profit,
        sum(reported_net_profit) as reported_net_profit,
        sum(unreconciled_profit) as unreconciled_profit,
        count(*) filter (where not is_reconciled) as unreconciled_days
    from performance.daily_performance
) as rows

union all

select
    'retrained' as topic,
    jsonb_agg(to_jsonb(rows) order by rows.started_at) as rows
from (
    select
        trials.model_name,
        trials.champion_version as former_version,
        trials.challenger_version as version,
        trials.started_at,
        history.reason,
        trials.challenger_outcomes as outcomes,
        trials.highest_e_value as evidence,
        trials.verdict,
        (
            select min(later.started_at)
            from operations.model_history as later
            where later.model_id = trials.challenger_id and later.stage = 'champion'
        ) as champion_at
    from operations.model_trials as trials
    inner join operations.model_history as history
        on trials.challenger_stage_id = history.stage_id
    where history.reason like 'retrained: %'
) as rows
