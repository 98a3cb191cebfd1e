-- A period of history in the landing tables, after the rows that they hold. It reads its size from
-- the one row of the temporary table "scale". Random numbers are drawn row by row while the drafts
-- are made, so that the same seed gives the same history.

create temporary table draft_bars on commit drop as
select
    symbols.n as symbol_number,
    scale.started_at + hours.n * interval '1 hour' as opened_at,
    -- About normal, with a standard deviation of half a percent an hour.
    0.01 * (random() + random() + random() - 1.5) as step,
    random() as spread_up,
    random() as spread_down,
    random() as effort
from scale
cross join generate_series(0, scale.hours - 1) as hours (n)
cross join generate_series(1, scale.symbols) as symbols (n);

insert into public.market_bars (symbol, timeframe, opened_at, open, high, low, close, volume)
with last_closes as (
    select symbols.symbol, latest.close
    from scale
    cross join generate_series(1, scale.symbols) as numbers (n)
    cross join lateral (values ('SYM' || lpad(numbers.n::text, 4, '0'))) as symbols (symbol)
    cross join lateral (
        select bars.close
        from public.market_bars as bars
        where bars.symbol = symbols.symbol and bars.timeframe = '1h'
        order by bars.opened_at desc
        limit 1
    ) as latest
),

walks as (
    select
        'SYM' || lpad(draft_bars.symbol_number::text, 4, '0') as symbol,
        draft_bars.*,
        exp(sum(draft_bars.step) over (
            partition by draft_bars.symbol_number order by draft_bars.opened_at
        )) as growth
    from draft_bars
),

priced as (
    select
        walks.*,
        round((coalesce(
            last_closes.close, 1 + mod(walks.symbol_number * 7919, 500)
        ) * walks.growth)::numeric, 4) as close,
        coalesce(last_closes.close, 1 + mod(walks.symbol_number * 7919, 500)) as last_close
    from walks
    left join last_closes using (symbol)
),

opened as (
    select
        *,
        lag(close, 1, last_close) over (partition by symbol order by opened_at) as open
    from priced
)

select
    symbol,
    '1h',
    opened_at,
    open,
    round((greatest(open, close) * (1 + 0.003 * spread_up))::numeric, 4),
    round((least(open, close) * (1 - 0.003 * spread_down))::numeric, 4),
    close,
    round((1000 * (1 + effort))::numeric, 2)
from opened
order by opened_at, symbol;

analyze public.market_bars;

-- Twelve models of three kinds, which all decide. Every fourth is registered while the history goes on.
insert into public.ai_models
(id, model_type, model_name, version, config, is_active, created_at, updated_at)
select
    n,
    (array['reinforcement_learning', 'genetic_optimization', 'sparse_spectrum'])[1 + mod(n, 3)],
    (array['q_trader', 'rule_evolver', 'cycle_finder'])[1 + mod(n, 3)] || '_' || n,
    '1.0.0',
    '{}',
    true,
    registered_at,
    registered_at
from scale
cross join generate_series(1, 12) as models (n)
cross join lateral (
    select
        scale.started_at + case
            when mod(n, 4) = 0 then scale.span * n / 24
            else interval '-1 day'
        end
) as registrations (registered_at)
where not exists (select from public.ai_models);

insert into public.ai_model_stages (id, model_id, stage, since, reason, evidence, created_at)
select
    id,
    id,
    'champion',
    created_at,
    'registered',
    '{}',
    created_at
from public.ai_models
where not exists (select from public.ai_model_stages);

-- Symbols come in turn, so that the latest pattern of a symbol is found by its number.
insert into public.micro_patterns (id, symbol, pattern_type, signal, confidence, created_at)
select
    scale.last_pattern_id + n,
    'SYM' || lpad((1 + mod(n, scale.symbols))::text, 4, '0'),
    (array[
        'double_bottom', 'double_top', 'engulfing', 'flag', 'gap', 'hammer', 'triangle', 'wedge'
    ])[1 + floor(8 * random())::integer],
    case when random() < 0.1 then 'HOLD' when random() < 0.5 then 'BUY' else 'SELL' end,
    round(random()::numeric, 4),
    scale.started_at + scale.span * ((n - random()) / scale.patterns)
from scale
cross join generate_series(1, scale.patterns) as patterns (n);

create temporary table draft_signals on commit drop as
select
    scale.last_signal_id + n as id,
    1 + floor(12 * random())::integer as model_id,
    1 + floor(scale.symbols * random())::integer as symbol_number,
    case when random() < 0.1 then 'HOLD' when random() < 0.5 then 'BUY' else 'SELL' end
        as signal_type,
    round(random()::numeric, 3)::double precision as confidence,
    scale.started_at + scale.span * ((n - random()) / scale.signals) as created_at,
    case when random() < 0.8 then (0.5 + 12 * random()) * interval '1 hour' end as lifetime,
    random() < 0.6 as has_pattern,
    random() < scale.planned_share as is_planned,
    0.002 + 0.02 * random() as distance
from scale
cross join generate_series(1, scale.signals) as signals (n);

-- A round trip is an entry and its exit: three in ten belong to a signal's plan, four to a
-- strategy's own plan, the rest to none.
create temporary table draft_trips on commit drop as
with planned_signals as (
    select
        row_number() over (order by draft_signals.created_at) as n,
        draft_signals.*
    from draft_signals
    where draft_signals.is_planned and draft_signals.signal_type <> 'HOLD'
),

trips as (
    select n
    from scale
    cross join generate_series(1, scale.round_trips) as numbers (n)
)

select
    trips.n,
    planned_signals.id as signal_id,
    planned_signals.id is not null or random() < 4.0 / 7 as has_plan,
    coalesce(
        planned_signals.symbol_number, 1 + floor(scale.symbols * random())::integer
    ) as symbol_number,
    coalesce(
        planned_signals.signal_type, case when random() < 0.5 then 'BUY' else 'SELL' end
    ) as side,
    planned_signals.created_at as planned_at,
    coalesce(
        planned_signals.created_at + random() * least(
            interval '1 hour', scale.started_at + scale.span - planned_signals.created_at
        ),
        scale.started_at + scale.span * random()
    ) as entry_at,
    -12 * ln(1 - random()) * interval '1 hour' as held,
    1000 + 9000 * random() as value,
    random() as entry_luck,
    random() as entry_share,
    random() as exit_luck,
    random() as exit_share,
    random() as entry_slip,
    random() as exit_slip,
    random() as entry_delay,
    random() as exit_delay
from scale
cross join trips
left join planned_signals using (n);

create temporary table draft_plans on commit drop as
select
    n,
    signal_id,
    symbol_number,
    side,
    coalesce(planned_at, entry_at) as created_at,
    (select last_plan_id from scale)
    + row_number() over (order by coalesce(planned_at, entry_at), n) as id
from draft_trips
where has_plan;

analyze draft_signals, draft_trips, draft_plans;

insert into public.trade_plans (
    id, symbol, strategy, entry_price_target, stop_loss_price, take_profit_1_price,
    created_at
)
select
    draft_plans.id,
    bars.symbol,
    case
        when draft_plans.signal_id is not null then 'ai_signal'
        else (array['breakout', 'mean_reversion', 'momentum', 'trend'])[1 + mod(draft_plans.n, 4)]
    end,
    bars.open,
    bars.open * case draft_plans.side when 'BUY' then 0.99 else 1.01 end,
    bars.open * case draft_plans.side when 'BUY' then 1.02 else 0.98 end,
    draft_plans.created_at
from draft_plans
inner join public.market_bars as bars
    on bars.symbol = 'SYM' || lpad(draft_plans.symbol_number::text, 4, '0')
    and bars.opened_at = date_trunc('hour', draft_plans.created_at, 'UTC')
order by draft_plans.id;

-- The price is the hour's opening price.
insert into public.ai_trading_signals (
    id, model_id, symbol, signal_type, confidence, price_target, stop_loss, take_profit, metadata,
    pattern_id, trade_plan_id, status, idempotency_key, expires_at, created_at, updated_at, stored_at
)
with placed as (
    select
        draft_signals.*,
        floor(
            scale.patterns * (
                extract(epoch from draft_signals.created_at - scale.started_at)
                / extract(epoch from scale.span)
            )
        )::integer as patterns_before,
        scale.symbols,
        scale.last_pattern_id,
        scale.started_at + scale.span as ended_at
    from draft_signals
    cross join scale
),

matched as (
    select
        *,
        -- The last number up to patterns_before whose turn is the symbol's.
        patterns_before
        - mod(patterns_before - mod(symbol_number - 1, symbols) + symbols, symbols) as pattern_number
    from placed
)

select
    matched.id,
    matched.model_id,
    bars.symbol,
    matched.signal_type,
    matched.confidence,
    case matched.signal_type
        when 'BUY' then round((bars.open * (1 + matched.distance))::numeric, 4)
        when 'SELL' then round((bars.open * (1 - matched.distance))::numeric, 4)
    end,
    case matched.signal_type
        when 'BUY' then round((bars.open * (1 - matched.distance / 2))::numeric, 4)
        when 'SELL' then round((bars.open * (1 + matched.distance / 2))::numeric, 4)
    end,
    case matched.signal_type
        when 'BUY' then round((bars.open * (1 + matched.distance))::numeric, 4)
        when 'SELL' then round((bars.open * (1 - matched.distance))::numeric, 4)
    end,
    '{"edge": 0.25, "horizon_bars": 12, "regime": "trend"}',
    case
        when matched.has_pattern and matched.pattern_number > 0
            then matched.last_pattern_id + matched.pattern_number
    end,
    draft_plans.id,
    case
        when draft_plans.id is not null then 'EXECUTED'
        when matched.created_at + matched.lifetime > matched.ended_at then 'ACTIVE'
        else 'EXPIRED'
    end,
    'signal-' || matched.id,
    matched.created_at + matched.lifetime,
    matched.created_at,
    matched.created_at,
    matched.created_at
from matched
inner join public.market_bars as bars
    on bars.symbol = 'SYM' || lpad(matched.symbol_number::text, 4, '0')
    and bars.opened_at = date_trunc('hour', matched.created_at, 'UTC')
left join draft_plans
    on matched.id = draft_plans.signal_id
order by matched.id;

create temporary table draft_fills on commit drop as
with timed as (
    select
        draft_trips.*,
        least(
            draft_trips.entry_at + draft_trips.held, scale.started_at + scale.span
            - 0.0001 * draft_trips.exit_delay * interval '1 hour'
        ) as exit_at
    from draft_trips
    cross join scale
),

priced as (
    select
        timed.*,
        entry_bars.symbol,
        entry_bars.open as entry_price,
        exit_bars.open as exit_price,
        round((timed.value / entry_bars.open)::numeric, 4) as quantity
    from timed
    inner join public.market_bars as entry_bars
        on entry_bars.symbol = 'SYM' || lpad(timed.symbol_number::text, 4, '0')
        and entry_bars.opened_at = date_trunc('hour', timed.entry_at, 'UTC')
    inner join public.market_bars as exit_bars
        on exit_bars.symbol = entry_bars.symbol
        and exit_bars.opened_at = date_trunc('hour', greatest(timed.exit_at, timed.entry_at), 'UTC')
),

entered as (
    select
        *,
        case
            when entry_luck < 0.85 then 'FILLED'
            when entry_luck < 0.90 then 'PARTIALLY_FILLED'
            when entry_luck < 0.95 then 'CANCELLED'
            else 'REJECTED'
        end as entry_status,
        case
            when entry_luck < 0.85 then quantity
            when entry_luck < 0.925 then round((quantity * (0.2 + 0.7 * entry_share))::numeric, 4)
            else 0
        end as entry_filled
    from priced
)

select
    *,
    case
        when entry_filled = 0 then 'CANCELLED'
        when exit_luck < 0.93 then 'FILLED'
        when exit_luck < 0.97 then 'PARTIALLY_FILLED'
        else 'CANCELLED'
    end as exit_status,
    case
        when entry_filled = 0 then 0
        when exit_luck < 0.93 then entry_filled
        when exit_luck < 0.97 then round((entry_filled * (0.2 + 0.7 * exit_share))::numeric, 4)
        else 0
    end as exit_filled
from entered;

create temporary table draft_orders on commit drop as
with sides as (
    select
        n, symbol, side, quantity, entry_price as price, entry_filled as filled_quantity,
        entry_status as status, entry_at as created_at, entry_slip as slip, entry_delay as delay,
        false as is_exit
    from draft_fills
    union all
    select
        n, symbol, case side when 'BUY' then 'SELL' else 'BUY' end,
        case when entry_filled > 0 then entry_filled else quantity end, exit_price, exit_filled,
        exit_status, greatest(exit_at, entry_at), exit_slip, exit_delay, true
    from draft_fills
    union all
    -- Units left by an exit are closed a day later, so positions do not pile up with the history.
    select
        n, symbol, case side when 'BUY' then 'SELL' else 'BUY' end,
        entry_filled - exit_filled, exit_price, entry_filled - exit_filled,
        'FILLED',
        least(
            greatest(exit_at, entry_at) + interval '1 day',
            scale.started_at + scale.span - 0.0001 * exit_delay * interval '1 hour'
        ),
        exit_slip, exit_delay, true
    from draft_fills
    cross join scale
    where entry_filled > exit_filled
)

select
    sides.*,
    draft_plans.id as trade_plan_id,
    round((sides.price * (1 + 0.002 * (sides.slip - 0.5)))::numeric, 8) as filled_price
from sides
left join draft_plans using (n);

insert into public.trading_orders (
    id, trade_plan_id, symbol, side, quantity, price, filled_quantity, filled_price, fee, status,
    created_at, filled_at
)
select
    scale.last_order_id + row_number() over (order by created_at, n, is_exit, status) as id,
    trade_plan_id,
    symbol,
    side,
    quantity,
    price,
    nullif(filled_quantity, 0),
    case when filled_quantity > 0 then filled_price end,
    case when filled_quantity > 0 then round(filled_quantity * filled_price * 0.0005, 8) end,
    status,
    created_at,
    case when filled_quantity > 0 then created_at + delay * interval '5 minutes' end
from draft_orders
cross join scale
order by id;

-- The platform reports its own round trips, by the day of the exit.
insert into public.trading_stats as stats
(id, date, net_profit, total_trades, winning_trades, losing_trades)
with results as (
    select
        (exits.created_at at time zone 'UTC')::date as date,
        round(
            case exits.side when 'SELL' then 1 else -1 end
            * (exits.filled_price - entries.filled_price) * exits.filled_quantity
            - 0.0005 * exits.filled_quantity * (exits.filled_price + entries.filled_price),
            8
        ) as net_profit
    from draft_orders as exits
    inner join draft_orders as entries
        on exits.n = entries.n and exits.is_exit and not entries.is_exit
    where exits.filled_quantity > 0
)

select
    date - date '2000-01-01',
    date,
    sum(net_profit),
    count(*),
    count(*) filter (where net_profit > 0),
    count(*) filter (where net_profit < 0)
from results
group by date
on conflict (id) do update set
    net_profit = stats.net_profit + excluded.net_profit,
    total_trades = stats.total_trades + excluded.total_trades,
    winning_trades = stats.winning_trades + excluded.winning_trades,
    losing_trades = stats.losing_trades + excluded.losing_trades;

insert into public.rl_training_episodes (
    id, model_id, episode_number, total_reward, episode_length, average_loss, portfolio_value,
    sharpe_ratio, training_data, created_at
)
select
    scale.last_episode_id + n,
    models.id,
    (scale.last_episode_id + n) / models.count,
    100 * random() + 100 * (1 - exp(-n / 1000.0)),
    (100 + 100 * random())::integer,
    random(),
    round((100000 * (0.9 + 0.2 * random()))::numeric, 2),
    3 * random() - 1,
    '{"epsilon": 0.1}',
    scale.started_at + scale.span * ((n - random()) / scale.trainings)
from scale
cross join generate_series(1, scale.trainings) as numbers (n)
inner join (
    select id, row_number() over (order by id) - 1 as position, count(*) over () as count
    from public.ai_models where model_type = 'reinforcement_learning'
) as models on mod(scale.last_episode_id + n, models.count) = models.position
order by n;

insert into public.genetic_generations (
    id, model_id, generation_number, best_fitness, average_fitness, population_diversity,
    best_individual, created_at
)
select
    scale.last_generation_id + n,
    models.id,
    (scale.last_generation_id + n) / models.count,
    1 + random(),
    random(),
    random(),
    '{"genes": [0.1, 0.2, 0.3, 0.4]}',
    scale.started_at + scale.span * ((n - random()) / scale.trainings)
from scale
cross join generate_series(1, scale.trainings) as numbers (n)
inner join (
    select id, row_number() over (order by id) - 1 as position, count(*) over () as count
    from public.ai_models where model_type = 'genetic_optimization'
) as models on mod(scale.last_generation_id + n, models.count) = models.position
order by n;

insert into public.spectrum_analysis (
    id, model_id, symbol, analysis_type, dominant_frequencies, pattern_confidence, anomaly_score,
    analysis_data, created_at
)
select
    scale.last_analysis_id + n,
    models.id,
    'SYM' || lpad((1 + mod(n, scale.symbols))::text, 4, '0'),
    (array['fourier', 'wavelet', 'compressed_sensing'])[1 + floor(3 * random())::integer],
    jsonb_build_array(jsonb_build_object(
        'period_bars', 4 + floor(60 * random()), 'frequency_per_bar', 0.1, 'amplitude', random(),
        'share', random()
    )),
    random(),
    8 * random() - 4,
    '{"window": 64}',
    scale.started_at + scale.span * ((n - random()) / scale.trainings)
from scale
cross join generate_series(1, scale.trainings) as numbers (n)
inner join (
    select id, row_number() over (order by id) - 1 as position, count(*) over () as count
    from public.ai_models where model_type = 'sparse_spectrum'
) as models on mod(scale.last_analysis_id + n, models.count) = models.position
order by n;
