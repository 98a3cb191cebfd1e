-- What the functions take: times that lie in time, plans that exist, prices of 18 decimals.
-- depends: 0026_ai_limits

-- A time that a caller gave, NULL as well. It is refused where no column would keep it: infinity is
-- a time, and after every expires_at.
create function public.ai_checked_time(argument text, value timestamptz) returns timestamptz
language plpgsql
immutable
set search_path = ''
as $$
begin
    if not public.ai_is_time(value) then
        raise exception using
            errcode = 'datetime_field_overflow',
            message = pg_catalog.format(
                '%s is %s: it must lie in the years 1970 to 2199', argument, value
            );
    end if;
    return value;
end
$$;

alter function public.ai_checked_time(text, timestamptz) owner to migrator;

-- Prices of up to 18 decimals; else as before.
create or replace function public.store_ai_signal(
    model_id bigint,
    symbol text,
    signal_type text,
    confidence double precision,
    price_target numeric default null,
    stop_loss numeric default null,
    take_profit numeric default null,
    metadata jsonb default '{}',
    pattern_id bigint default null,
    idempotency_key text default null,
    expires_at timestamptz default null,
    created_at timestamptz default now()
) returns bigint
language plpgsql
security definer
set search_path = ''
set lock_timeout = '5s'
as $$
declare
    signal_id bigint;
    first pg_catalog.record;
begin
    if greatest(
        pg_catalog.scale(pg_catalog.trim_scale(price_target)),
        pg_catalog.scale(pg_catalog.trim_scale(stop_loss)),
        pg_catalog.scale(pg_catalog.trim_scale(take_profit))
    ) > 18 then
        raise exception using
            errcode = 'SM009',
            message = pg_catalog.format(
                'a price of the signal has more than 18 decimals: price_target %s, '
                'stop_loss %s, take_profit %s', price_target, stop_loss, take_profit
            ),
            hint = 'round the prices to what the exchange quotes';
    end if;
    insert into public.ai_trading_signals (
        model_id, symbol, signal_type, confidence, price_target, stop_loss, take_profit, metadata,
        pattern_id, idempotency_key, expires_at, created_at, updated_at
    )
    values (
        store_ai_signal.model_id,
        store_ai_signal.symbol,
        store_ai_signal.signal_type,
        store_ai_signal.confidence,
        store_ai_signal.price_target,
        store_ai_signal.stop_loss,
        store_ai_signal.take_profit,
        store_ai_signal.metadata,
        store_ai_signal.pattern_id,
        store_ai_signal.idempotency_key,
        store_ai_signal.expires_at,
        store_ai_signal.created_at,
        store_ai_signal.created_at
    )
    -- It waits for another session that is storing the key.
    on conflict on constraint ai_trading_signals_idempotency_key_key do nothing
    returning id into signal_id;
    if signal_id is not null then
        return signal_id;
    end if;

    select signals.id, signals.model_id, signals.symbol, signals.signal_type
    into first
    from public.ai_trading_signals as signals
    where signals.idempotency_key = store_ai_signal.idempotency_key;
    if not found then
        raise exception using
            errcode = 'serialization_failure',
            message = 'the signal of this idempotency key was deleted meanwhile',
            hint = 'try again';
    end if;
    if (first.model_id, first.symbol, first.signal_type)
        is distinct from
        (store_ai_signal.model_id, store_ai_signal.symbol, store_ai_signal.signal_type)
    then
        raise exception using
            errcode = 'SM007',
            message = pg_catalog.format(
                'idempotency_key %L belongs to signal %s (model %s, %s %s)',
                idempotency_key, first.id, first.model_id, first.signal_type, first.symbol
            ),
            hint = 'a key names one signal: make another for each';
    end if;
    return first.id;
end
$$;

-- As before, of a time that lies in time.
create or replace function public.find_related_pattern(
    symbol text,
    at timestamptz default now(),
    within interval default null
)
returns table (
    pattern_id bigint,
    pattern_type text,
    signal text,
    confidence double precision,
    created_at timestamptz
)
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
    perform public.ai_checked_time('at', find_related_pattern.at);
    return query
    select
        patterns.id::bigint,
        patterns.pattern_type::pg_catalog.text,
        patterns.signal::pg_catalog.text,
        patterns.confidence::double precision,
        patterns.created_at
    from public.micro_patterns as patterns
    where
        patterns.symbol = find_related_pattern.symbol
        and patterns.created_at <= find_related_pattern.at
        and patterns.created_at >= coalesce(
            find_related_pattern.at - find_related_pattern.within,
            '-infinity'::timestamp with time zone
        )
    order by patterns.created_at desc, patterns.id desc
    limit 1;
exception
    when undefined_table or undefined_column or insufficient_privilege then
        raise exception using
            errcode = 'SM006',
            message = 'patterns cannot be looked up here: ' || sqlerrm,
            hint = 'the platform calls its micro_patterns otherwise: look the pattern up there, '
                'and store its id with the signal';
end
$$;

-- As before, of times that lie in time.
create or replace function public.create_trade_plan_from_ai_signal(
    signal_id bigint,
    at timestamptz default null
) returns bigint
language plpgsql
security definer
set search_path = ''
set lock_timeout = '5s'
as $$
declare
    signal pg_catalog.record;
    plan_id bigint;
    moment timestamp with time zone;
begin
    -- Who calls this in a transaction and stops there would keep the row, and the platform's keys
    -- that it refers to, locked for good.
    if pg_catalog.current_setting('idle_in_transaction_session_timeout') = '0' then
        perform pg_catalog.set_config('idle_in_transaction_session_timeout', '60s', true);
    end if;

    select
        signals.id,
        signals.model_id,
        models.model_name,
        models.version,
        signals.symbol,
        signals.signal_type,
        signals.confidence,
        signals.price_target,
        signals.stop_loss,
        signals.take_profit,
        signals.pattern_id,
        signals.trade_plan_id,
        signals.status,
        signals.expires_at,
        signals.created_at
    into signal
    from public.ai_trading_signals as signals
    inner join public.ai_models as models on signals.model_id = models.id
    where signals.id = create_trade_plan_from_ai_signal.signal_id
    for no key update of signals;
    if not found then
        raise exception using
            errcode = 'SM001',
            message = pg_catalog.format('there is no signal %s', signal_id),
            hint = 'give the id that storing the signal returned';
    end if;
    if signal.trade_plan_id is not null then
        return signal.trade_plan_id;
    end if;

    moment := coalesce(
        public.ai_checked_time('at', create_trade_plan_from_ai_signal.at),
        pg_catalog.clock_timestamp()
    );
    if signal.status = 'EXECUTED' then
        raise exception using
            errcode = 'SM004',
            message = pg_catalog.format('signal %s was executed without a plan', signal_id),
            hint = 'its execution was recorded before, or its plan was deleted';
    elsif signal.signal_type = 'HOLD' then
        raise exception using
            errcode = 'SM002',
            message = pg_catalog.format('signal %s says HOLD: there is nothing to plan', signal_id),
            hint = 'make plans from BUY and SELL signals';
    elsif signal.status = 'EXPIRED' or signal.expires_at <= moment then
        raise exception using
            errcode = 'SM003',
            message = pg_catalog.format(
                'signal %s expired at %s', signal_id, coalesce(signal.expires_at, moment)
            ),
            hint = 'store a new signal';
    end if;

    begin
        insert into public.trade_plans (
            symbol, strategy, entry_price_target, stop_loss_price, take_profit_1_price,
            signal_details, created_at
        )
        values (
            signal.symbol,
            'ai',
            signal.price_target,
            signal.stop_loss,
            signal.take_profit,
            pg_catalog.jsonb_build_object(
                'source', 'ai_signal',
                'signal_id', signal.id,
                'signal_type', signal.signal_type,
                'model_id', signal.model_id,
                'model', signal.model_name,
                'version', signal.version,
                'confidence', signal.confidence,
                'pattern_id', signal.pattern_id,
                'expires_at', signal.expires_at
            ),
            public.ai_checked_time(
                'the signal''s created_at', greatest(moment, signal.created_at)
            )
        )
        returning id into plan_id;
    exception
        when undefined_table or undefined_column then
            raise exception using
                errcode = 'SM006',
                message = 'plans cannot be made here: ' || sqlerrm,
                hint = 'the platform calls its trade_plans otherwise: make the plan there, then '
                    'record its id with record_ai_signal_execution';
        -- Conditions that name a class of errors catch all of it; the last is a trigger's.
        when data_exception or integrity_constraint_violation or insufficient_privilege
            or raise_exception
        then
            raise exception using
                errcode = 'SM005',
                message = pg_catalog.format(
                    'the platform refuses the plan of signal %s: %s', signal_id, sqlerrm
                ),
                hint = 'a plan has the signal''s symbol and prices, and nothing in columns that are '
                    'the platform''s own: those must have a default or be nullable';
    end;

    update public.ai_trading_signals as signals
    set
        status = 'EXECUTED',
        trade_plan_id = plan_id
    where signals.id = signal.id;
    return plan_id;
end
$$;

-- As before: infinity would expire every signal that ever expires.
create or replace function public.expire_ai_signals(
    at timestamptz default null,
    model_ids bigint[] default null
) returns bigint
language plpgsql
security definer
set search_path = ''
set lock_timeout = '5s'
as $$
declare
    moment constant timestamp with time zone
    := coalesce(
        public.ai_checked_time('at', expire_ai_signals.at), pg_catalog.clock_timestamp()
    );
    expired bigint;
begin
    update public.ai_trading_signals as signals
    set status = 'EXPIRED'
    from (
        select due.id
        from public.ai_trading_signals as due
        where
            due.status = 'ACTIVE'
            and due.expires_at <= moment
            and (
                expire_ai_signals.model_ids is null
                or due.model_id = any(expire_ai_signals.model_ids)
            )
        order by due.id
        for no key update skip locked
    ) as due
    where signals.id = due.id;
    get diagnostics expired = row_count;
    return expired;
end
$$;

-- As before, of a plan that exists. foreign_key_violation: there is no such plan.
create or replace function public.record_ai_signal_execution(
    signal_id bigint,
    trade_plan_id bigint default null,
    at timestamptz default null
) returns boolean
language plpgsql
security definer
set search_path = ''
set lock_timeout = '5s'
as $$
declare
    signal pg_catalog.record;
begin
    perform public.ai_checked_time('at', record_ai_signal_execution.at);
    select
        signals.signal_type,
        signals.status,
        signals.trade_plan_id,
        signals.expires_at
    into signal
    from public.ai_trading_signals as signals
    where signals.id = record_ai_signal_execution.signal_id
    for no key update;
    if not found then
        raise exception using
            errcode = 'SM001',
            message = pg_catalog.format('there is no signal %s', signal_id),
            hint = 'give the id that storing the signal returned';
    elsif signal.status = 'EXECUTED' then
        if signal.trade_plan_id is distinct from record_ai_signal_execution.trade_plan_id then
            raise exception using
                errcode = 'SM010',
                message = pg_catalog.format(
                    'signal %s was executed %s', signal_id,
                    coalesce('with plan ' || signal.trade_plan_id, 'without a plan')
                ),
                hint = 'a signal is executed once';
        end if;
        return false;
    elsif signal.signal_type = 'HOLD' then
        raise exception using
            errcode = 'SM002',
            message = pg_catalog.format('signal %s says HOLD: it cannot be executed', signal_id),
            hint = 'record executions of BUY and SELL signals';
    elsif signal.status = 'EXPIRED'
        or signal.expires_at <= coalesce(
            record_ai_signal_execution.at, pg_catalog.clock_timestamp()
        )
    then
        raise exception using
            errcode = 'SM003',
            message = pg_catalog.format('signal %s expired at %s', signal_id, signal.expires_at),
            hint = 'give the time of the execution, if that was before';
    end if;
    -- Where the platform's table has no key that a foreign key could refer to.
    begin
        if record_ai_signal_execution.trade_plan_id is not null
            and not pg_catalog.row_security_active('public.trade_plans')
            and not exists (
                select
                from public.trade_plans as plans
                where plans.id = record_ai_signal_execution.trade_plan_id
            )
        then
            raise exception using
                errcode = 'foreign_key_violation',
                message = pg_catalog.format('there is no trade plan %s', trade_plan_id),
                hint = 'give the id of a plan of the platform, or none';
        end if;
    exception
        when undefined_table or undefined_column or insufficient_privilege then
            -- The platform calls its trade_plans otherwise: its ids are its own.
            null;
    end;
    update public.ai_trading_signals as signals
    set
        status = 'EXECUTED',
        trade_plan_id = record_ai_signal_execution.trade_plan_id
    where signals.id = record_ai_signal_execution.signal_id;
    return true;
end
$$;

-- Which of these rows are stored just as they are, by their ids: after a lost connection, whether
-- they were. A row under one of the ids may be somebody else's. `rows` is an array of objects with
-- an id and the columns of the table; another column counts as NULL.
create function public.same_ai_rows(table_name text, rows jsonb) returns setof bigint
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
    columns pg_catalog.text[];
begin
    columns := case same_ai_rows.table_name
        when 'rl_training_episodes' then array[
            'model_id', 'episode_number', 'total_reward', 'episode_length', 'average_loss',
            'portfolio_value', 'sharpe_ratio', 'training_data', 'created_at'
        ]
        when 'genetic_generations' then array[
            'model_id', 'generation_number', 'best_fitness', 'average_fitness',
            'population_diversity', 'best_individual', 'created_at'
        ]
        when 'spectrum_analysis' then array[
            'model_id', 'symbol', 'analysis_type', 'dominant_frequencies', 'pattern_confidence',
            'anomaly_score', 'analysis_data', 'created_at'
        ]
    end;
    if columns is null then
        raise exception using
            errcode = 'invalid_parameter_value',
            message = pg_catalog.format('%L is no table of training records', table_name),
            hint = 'rl_training_episodes, genetic_generations and spectrum_analysis are';
    end if;
    return query execute pg_catalog.format(
        $same$
        select stored.id
        from pg_catalog.jsonb_populate_recordset(null::public.%1$I, $1) as given
        inner join public.%1$I as stored on given.id = stored.id
        where (stored.%2$s) is not distinct from (given.%3$s)
        $same$,
        table_name,
        pg_catalog.array_to_string(columns, ', stored.'),
        pg_catalog.array_to_string(columns, ', given.')
    ) using rows;
end
$$;

grant select on
    public.rl_training_episodes,
    public.genetic_generations,
    public.spectrum_analysis
to ai_functions;
revoke execute on function public.same_ai_rows(text, jsonb) from public;
grant execute on function public.same_ai_rows(text, jsonb) to ai_writer;

-- A new owner must be able to create in the schema, at this moment alone.
grant create on schema public to ai_functions;
alter function public.same_ai_rows(text, jsonb) owner to ai_functions;
revoke create on schema public from ai_functions;
