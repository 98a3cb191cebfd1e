-- What becomes of a signal: it expires, or is executed.
-- depends: 0018_create_trade_plan_from_ai_signal

-- Marks the active signals that are past their time, of all models or of these, and returns how
-- many. One that another session has locked, such as to make a plan of it, is left for the next
-- call. A signal without expires_at is active until something is done about it.
create function public.expire_ai_signals(
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
    := coalesce(expire_ai_signals.at, pg_catalog.clock_timestamp());
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

-- Records that a signal was executed, by a plan that the platform made itself or without any, and
-- returns whether that was news. SM001: no such signal. SM002: a HOLD. SM003: it had expired by
-- `at`, which is the clock by default. SM010: it was executed with another plan, or without one.
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
    update public.ai_trading_signals as signals
    set
        status = 'EXECUTED',
        trade_plan_id = record_ai_signal_execution.trade_plan_id
    where signals.id = record_ai_signal_execution.signal_id;
    return true;
end
$$;

revoke execute on function
    public.expire_ai_signals(timestamptz, bigint[]),
    public.record_ai_signal_execution(bigint, bigint, timestamptz)
from public;
grant execute on function
    public.expire_ai_signals(timestamptz, bigint[]),
    public.record_ai_signal_execution(bigint, bigint, timestamptz)
to ai_writer;

-- A new owner must be able to create in the schema, at this moment alone.
grant create on schema public to ai_functions;
alter function public.expire_ai_signals(timestamptz, bigint[]) owner to ai_functions;
alter function public.record_ai_signal_execution(bigint, bigint, timestamptz) owner to ai_functions;
revoke create on schema public from ai_functions;
