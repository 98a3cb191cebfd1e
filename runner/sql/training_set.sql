-- What was known at as_of, a row each: signals of the model's versions with their outcomes, plans with
-- their fills, patterns and bars. A column that a kind does not have is NULL.
with signals as (
    select
        'signal' as kind,
        signals.signal_id::text as key,
        signals.symbol,
        signals.created_at as at,
        signals.available_at,
        models.model_version as version,
        -- A link may have been made later than the signal.
        plans.trade_plan_id::text as trade_plan_id,
        patterns.pattern_id::text as pattern_id,
        signals.signal_type as side,
        null::text as name,
        signals.confidence,
        signals.price_target,
        signals.stop_loss,
        signals.take_profit,
        signals.expires_at,
        signals.signal_metadata::text as details,
        outcomes.outcome,
        outcomes.is_win,
        outcomes.outcome_return,
        outcomes.mae,
        outcomes.mfe,
        outcomes.resolved_at
    from staging.stg_ai__trading_signals as signals
    inner join staging.stg_ai__models as models on signals.model_id = models.model_id
    left join staging.stg_platform__trade_plans as plans
        on
            signals.trade_plan_id = plans.trade_plan_id
            and greatest(plans.available_at, signals.updated_at) <= %(as_of)s
    left join staging.stg_platform__micro_patterns as patterns
        on signals.pattern_id = patterns.pattern_id and patterns.available_at <= %(as_of)s
    left join performance.signal_outcomes as outcomes
        on signals.signal_id = outcomes.signal_id and outcomes.resolved_at <= %(as_of)s
    where models.model_name = %(model)s and signals.available_at <= %(as_of)s
),

-- By what was filled until then: later fills change no earlier row.
fills as (
    select
        trade_plan_id,
        sum(filled_quantity) filter (where side = 'BUY') as bought_quantity,
        round(
            sum(filled_quantity * filled_price) filter (where side = 'BUY'), 18
        ) as bought_amount,
        sum(filled_quantity) filter (where side = 'SELL') as sold_quantity,
        round(
            sum(filled_quantity * filled_price) filter (where side = 'SELL'), 18
        ) as sold_amount,
        sum(fee) as fees
    from staging.stg_platform__trading_orders
    where
        greatest(created_at, filled_at) <= %(as_of)s
        and filled_at is not null
        and filled_quantity > 0
        and trade_plan_id is not null
    group by trade_plan_id
),

known as (
    select
        kind, key, symbol, at, available_at, version, trade_plan_id, pattern_id, side, name, confidence,
        price_target, stop_loss, take_profit, expires_at, details, outcome, is_win,
        outcome_return::double precision as outcome_return,
        mae::double precision as mae, mfe::double precision as mfe, resolved_at,
        null::numeric as bought_quantity, null::numeric as bought_amount, null::numeric as sold_quantity,
        null::numeric as sold_amount, null::numeric as fees, null::text as timeframe,
        null::numeric as open, null::numeric as high, null::numeric as low, null::numeric as close,
        null::numeric as volume
    from signals

    union all

    select
        'plan', plans.trade_plan_id::text, plans.symbol, plans.created_at, plans.available_at, null,
        plans.trade_plan_id::text, null, null, plans.strategy, null, plans.entry_price_target,
        plans.stop_loss_price, plans.take_profit_price, null, null, null, null, null, null, null, null,
        fills.bought_quantity, fills.bought_amount, fills.sold_quantity, fills.sold_amount, fills.fees,
        null, null, null, null, null, null
    from staging.stg_platform__trade_plans as plans
    left join fills on plans.trade_plan_id = fills.trade_plan_id
    where plans.available_at <= %(as_of)s

    union all

    select
        'pattern', pattern_id::text, symbol, created_at, available_at, null, null, pattern_id::text,
        pattern_signal, pattern_type, confidence, null, null, null, null, null, null, null, null, null,
        null, null, null, null, null, null, null, null, null, null, null, null, null
    from staging.stg_platform__micro_patterns
    where available_at <= %(as_of)s

    union all

    select
        'bar', symbol || ' ' || timeframe, symbol, opened_at, available_at, null, null, null, null, null,
        null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null,
        null, timeframe, open_price, high_price, low_price, close_price, volume
    from performance.price_bars
    where available_at <= %(as_of)s
)

select
    *,
    count(*) over () as total
from known
order by kind collate "C", available_at, key collate "C", at
