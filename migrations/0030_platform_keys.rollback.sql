-- A reader must not make all later readers wait behind us.
do $$
begin
    perform set_config('lock_timeout', '2s', true) where current_setting('lock_timeout') = '0';
end
$$;

-- A column that has keys keeps its type: no signal loses its links. The functions of before then
-- fail, until this migration is applied again with the same types.
do $$
declare
    reference record;
    has_keys boolean;
begin
    if exists (
        select
        from pg_catalog.pg_trigger
        where
            tgrelid = 'public.ai_trading_signals'::regclass
            and tgfoid = 'public.ai_refuse_row()'::regprocedure
            and encode(tgargs, 'escape') ~ '(pattern_id|trade_plan_id)'
    ) then
        perform public.limit_ai_rows(
            'public.ai_trading_signals',
            array[
                'price_target', 'ai_is_amount',
                'stop_loss', 'ai_is_amount',
                'take_profit', 'ai_is_amount',
                'confidence', 'ai_is_double',
                'metadata', 'ai_is_json',
                'idempotency_key', 'ai_is_key',
                'symbol', 'ai_is_name',
                'symbol', 'ai_is_symbol',
                'created_at', 'ai_is_time',
                'expires_at', 'ai_is_time',
                'imported_at', 'ai_is_time',
                'updated_at', 'ai_is_time'
            ]
        );
    end if;

    for reference in
        select
            known.name,
            known.target,
            format_type(attributes.atttypid, null) as former_type
        from (
            values
                ('pattern_id', 'public.micro_patterns'),
                ('trade_plan_id', 'public.trade_plans')
        ) as known (name, target)
        inner join pg_catalog.pg_attribute as attributes
            on
                attributes.attrelid = 'public.ai_trading_signals'::regclass
                and attributes.attname = known.name
        where attributes.atttypid <> 'bigint'::regtype
    loop
        perform public.withdraw_from_publication('public.ai_trading_signals');
        execute format(
            'select exists (select from public.ai_trading_signals where %I is not null)',
            reference.name
        ) into has_keys;
        if has_keys then
            raise notice 'ai_trading_signals.% stays %: it has keys',
                reference.name, reference.former_type;
            perform public.return_to_publication('public.ai_trading_signals');
            continue;
        end if;
        execute format(
            'alter table public.ai_trading_signals drop constraint if exists %I, '
            'alter column %I type bigint using null',
            'ai_trading_signals_' || reference.name || '_fkey', reference.name
        );
        begin
            if exists (
                select from pg_catalog.pg_index as i
                inner join pg_catalog.pg_attribute as a
                    on i.indrelid = a.attrelid and i.indkey[0] = a.attnum
                where
                    i.indrelid = to_regclass(reference.target) and a.attname = 'id'
                    and i.indisunique and i.indisvalid and i.indimmediate
                    and i.indnkeyatts = 1 and i.indpred is null
            ) then
                execute format(
                    'alter table public.ai_trading_signals add constraint %I '
                    'foreign key (%I) references %s (id) on delete set null %s',
                    'ai_trading_signals_' || reference.name || '_fkey',
                    reference.name,
                    reference.target,
                    case
                        when exists (select from public.ai_trading_signals) then 'not valid'
                        else ''
                    end
                );
            end if;
        exception
            when datatype_mismatch then
                raise notice '%', sqlerrm;
        end;
        perform public.return_to_publication('public.ai_trading_signals');
    end loop;
end
$$;

drop function public.store_ai_signal;
drop function public.find_related_pattern;
drop function public.create_trade_plan_from_ai_signal;
drop function public.record_ai_signal_execution;
drop function public.missing_ai_references;

create function public.store_ai_signal(
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

create function public.find_related_pattern(
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

create function public.create_trade_plan_from_ai_signal(
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

create function public.record_ai_signal_execution(
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

create function public.missing_ai_references(model_ids bigint[], pattern_ids bigint[])
returns table (field text, id bigint)
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
    return query
    select 'model_id'::pg_catalog.text, given.id
    from pg_catalog.unnest(model_ids) as given (id)
    where not exists (select from public.ai_models as models where models.id = given.id);
    return query
    select 'pattern_id'::pg_catalog.text, given.id
    from pg_catalog.unnest(pattern_ids) as given (id)
    where not exists (select from public.micro_patterns as patterns where patterns.id = given.id);
exception
    when undefined_table or undefined_column or insufficient_privilege then
        return;
end
$$;

revoke execute on function
    public.store_ai_signal,
    public.find_related_pattern,
    public.create_trade_plan_from_ai_signal,
    public.record_ai_signal_execution,
    public.missing_ai_references
from public;
grant execute on function
    public.store_ai_signal,
    public.find_related_pattern,
    public.create_trade_plan_from_ai_signal,
    public.record_ai_signal_execution,
    public.missing_ai_references
to ai_writer;

-- A new owner must be able to create in the schema, at this moment alone.
grant create on schema public to ai_functions;
alter function public.store_ai_signal owner to ai_functions;
alter function public.find_related_pattern owner to ai_functions;
alter function public.create_trade_plan_from_ai_signal owner to ai_functions;
alter function public.record_ai_signal_execution owner to ai_functions;
alter function public.missing_ai_references owner to ai_functions;
revoke create on schema public from ai_functions;
