-- A trade plan from a signal, once.
-- depends: 0017_find_related_pattern

-- Returns the plan's id. The signal's row is locked first, so that of callers at the same time one
-- makes the plan and the others return it, as every later call does. The signal is EXECUTED and
-- linked in the same transaction. `at` is the time to compare with and the plan's created_at (never
-- before the signal's); by default the clock, read once the row is locked.
--
-- SM001: no such signal. SM002: a HOLD. SM003: expired. SM004: executed without a plan (or the
-- platform has deleted it). SM005: the platform's table refuses the plan, and why. SM006: the
-- platform has no trade_plans of the names that we know.
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

    moment := coalesce(create_trade_plan_from_ai_signal.at, pg_catalog.clock_timestamp());
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
            greatest(moment, signal.created_at)
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

revoke execute on function public.create_trade_plan_from_ai_signal(bigint, timestamptz) from public;
grant execute on function public.create_trade_plan_from_ai_signal(bigint, timestamptz) to ai_writer;

-- A new owner must be able to create in the schema, at this moment alone.
grant create on schema public to ai_functions;
alter function public.create_trade_plan_from_ai_signal(bigint, timestamptz) owner to ai_functions;
revoke create on schema public from ai_functions;
