-- Storing a signal once, however often it is tried.
-- depends: 0014_register_ai_model

-- Returns the id of the signal. A key that was stored before, or is being stored by another session,
-- gives the first signal's id. SM007: the key belongs to a signal of another model, symbol or type.
-- SM009: a price has more than the eight decimals that are kept.
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
    ) > 8 then
        raise exception using
            errcode = 'SM009',
            message = pg_catalog.format(
                'a price of the signal has more than eight decimals: price_target %s, '
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

-- The signals of these keys, for a module that does not know whether it has stored them.
create function public.find_ai_signals(idempotency_keys text[])
returns table (
    idempotency_key text,
    signal_id bigint,
    model_id bigint,
    symbol text,
    signal_type text
)
language sql
stable
security definer
set search_path = ''
as $$
    select
        signals.idempotency_key,
        signals.id,
        signals.model_id,
        signals.symbol,
        signals.signal_type
    from public.ai_trading_signals as signals
    where signals.idempotency_key = any(find_ai_signals.idempotency_keys)
$$;

revoke execute on function
    public.store_ai_signal(
        bigint, text, text, double precision, numeric, numeric, numeric, jsonb, bigint, text,
        timestamptz, timestamptz
    ),
    public.find_ai_signals(text[])
from public;
grant execute on function
    public.store_ai_signal(
        bigint, text, text, double precision, numeric, numeric, numeric, jsonb, bigint, text,
        timestamptz, timestamptz
    ),
    public.find_ai_signals(text[])
to ai_writer;

-- A new owner must be able to create in the schema, at this moment alone.
grant create on schema public to ai_functions;
alter function public.store_ai_signal(
    bigint, text, text, double precision, numeric, numeric, numeric, jsonb, bigint, text,
    timestamptz, timestamptz
) owner to ai_functions;
alter function public.find_ai_signals(text[]) owner to ai_functions;
revoke create on schema public from ai_functions;
