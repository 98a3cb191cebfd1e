-- When and by whom a signal was stored, what was changed or deleted later: what an audit needs.
-- depends: 0036_ai_ensemble_decisions

-- A reader must not make all later readers wait behind us.
do $$
begin
    perform set_config('lock_timeout', '2s', true) where current_setting('lock_timeout') = '0';
end
$$;

-- The server's clock at the insert, not that of the transaction's begin, which a module may hold
-- open; and the login. ai_writer inserts the columns that it was granted, and these are not among
-- them. NULL in rows of before: not known.
alter table public.ai_trading_signals add column stored_at timestamptz;
alter table public.ai_trading_signals alter column stored_at set default clock_timestamp();
alter table public.ai_trading_signals add column stored_by text;
alter table public.ai_trading_signals alter column stored_by set default session_user;

-- What a signal said before it was changed or deleted. Rows are added and never changed.
create table public.ai_signal_edits (
    id bigint generated always as identity primary key,
    signal_id bigint not null,
    action text not null,
    edited_at timestamptz not null default clock_timestamp(),
    edited_by text not null default session_user,
    model_id bigint not null,
    symbol text not null,
    signal_type text not null,
    confidence double precision not null,
    price_target numeric,
    stop_loss numeric,
    take_profit numeric,
    idempotency_key text,
    expires_at timestamptz,
    created_at timestamptz not null,
    imported_at timestamptz,
    stored_at timestamptz,
    -- Of each changed column its values before and after.
    changes jsonb not null,
    constraint ai_signal_edits_action_check check (action in ('UPDATE', 'DELETE'))
);

alter table public.ai_signal_edits owner to migrator;
grant insert on public.ai_signal_edits to ai_functions;

create function public.ai_note_signal_edit() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
    if tg_relid <> 'public.ai_trading_signals'::pg_catalog.regclass then
        raise exception using
            errcode = 'insufficient_privilege',
            message = 'this trigger is of public.ai_trading_signals';
    end if;
    if tg_op = 'DELETE' then
        insert into public.ai_signal_edits (
            signal_id, action, model_id, symbol, signal_type, confidence, price_target, stop_loss,
            take_profit, idempotency_key, expires_at, created_at, imported_at, stored_at, changes
        )
        select
            gone.id, 'DELETE', gone.model_id, gone.symbol, gone.signal_type, gone.confidence,
            gone.price_target, gone.stop_loss, gone.take_profit, gone.idempotency_key,
            gone.expires_at, gone.created_at, gone.imported_at, gone.stored_at, '{}'
        from gone;
        return null;
    end if;
    if tg_op = 'TRUNCATE' then
        insert into public.ai_signal_edits (
            signal_id, action, model_id, symbol, signal_type, confidence, price_target, stop_loss,
            take_profit, idempotency_key, expires_at, created_at, imported_at, stored_at, changes
        )
        select
            id, 'DELETE', model_id, symbol, signal_type, confidence, price_target, stop_loss,
            take_profit, idempotency_key, expires_at, created_at, imported_at, stored_at, '{}'
        from public.ai_trading_signals;
        return null;
    end if;
    insert into public.ai_signal_edits (
        signal_id, action, model_id, symbol, signal_type, confidence, price_target, stop_loss,
        take_profit, idempotency_key, expires_at, created_at, imported_at, stored_at, changes
    )
    select
        old.id, 'UPDATE', old.model_id, old.symbol, old.signal_type, old.confidence,
        old.price_target, old.stop_loss, old.take_profit, old.idempotency_key, old.expires_at,
        old.created_at, old.imported_at, old.stored_at,
        coalesce(
            pg_catalog.jsonb_object_agg(
                former.key, pg_catalog.jsonb_build_array(former.value, later.value)
            ),
            '{}'
        )
    from pg_catalog.jsonb_each(pg_catalog.to_jsonb(old)) as former
    inner join pg_catalog.jsonb_each(pg_catalog.to_jsonb(new)) as later
        on former.key = later.key and former.value <> later.value
    where
        former.key in (
            'id', 'model_id', 'symbol', 'signal_type', 'confidence', 'price_target', 'stop_loss',
            'take_profit', 'expires_at', 'created_at', 'imported_at', 'stored_at', 'stored_by'
        );
    return null;
end
$$;

-- Its status, its plan and its pattern may change, as trading goes on: that calls nothing.
-- A time of storing, or a login, that was not known may be told later.
create trigger ai_trading_signals_note_edit
after update of
id, model_id, symbol, signal_type, confidence, price_target, stop_loss, take_profit, expires_at,
created_at, imported_at, stored_at, stored_by
on public.ai_trading_signals
for each row
when (
    (
        old.id, old.model_id, old.symbol, old.signal_type, old.confidence, old.price_target,
        old.stop_loss, old.take_profit, old.expires_at, old.created_at, old.imported_at
    ) is distinct from (
        new.id, new.model_id, new.symbol, new.signal_type, new.confidence, new.price_target,
        new.stop_loss, new.take_profit, new.expires_at, new.created_at, new.imported_at
    )
    or (old.stored_at is not null and old.stored_at is distinct from new.stored_at)
    or (old.stored_by is not null and old.stored_by is distinct from new.stored_by)
)
execute function public.ai_note_signal_edit();

create trigger ai_trading_signals_note_deletion
after delete on public.ai_trading_signals
referencing old table as gone
for each statement
execute function public.ai_note_signal_edit();

-- The table is locked by then, so that nothing comes between.
create trigger ai_trading_signals_note_truncation
before truncate on public.ai_trading_signals
for each statement
execute function public.ai_note_signal_edit();

revoke execute on function public.ai_note_signal_edit() from public;

-- A new owner must be able to create in the schema, at this moment alone.
grant create on schema public to ai_functions;
alter function public.ai_note_signal_edit() owner to ai_functions;
revoke create on schema public from ai_functions;
