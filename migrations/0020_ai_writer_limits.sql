-- Limits of the logins that AI modules use.
-- depends: 0019_ai_signal_status

-- What binds whom, as PostgreSQL has it:
-- * `alter role ai_writer set` acts where ai_writer itself logs in; a login that is a member of it,
--   or that runs `set role ai_writer`, gets none of these settings. They stand here as the one place
--   of their values. A connection limit counts a role's own logins, not its members'.
-- * `alter role LOGIN set` acts on every session of that login, through whatever client, until the
--   session sets them otherwise, which no privilege can forbid it. The connection limit holds.
--   limit_ai_writer_login() gives a login both; whoever makes a login for a module calls it.
-- * lock_timeout of the functions is their own: it holds for every caller, whatever it has set. The
--   plan's function ends a transaction that stays idle afterwards, if the session sets no limit.
do $$
begin
    -- Settings of a role that was there before us are not ours to change.
    if shobj_description(to_regrole('ai_writer'), 'pg_authid') = 'made by signal-marts' then
        execute format(
            'alter role ai_writer in database %I set statement_timeout = ''60s''',
            current_database()
        );
        execute format(
            'alter role ai_writer in database %I set idle_in_transaction_session_timeout = ''60s''',
            current_database()
        );
        execute format(
            'alter role ai_writer in database %I set lock_timeout = ''5s''', current_database()
        );
        alter role ai_writer connection limit 20;
    end if;
exception
    when insufficient_privilege then
        -- Another login deployed to another database of this server before, and made the role.
        raise notice 'ai_writer stays without settings of its own: %', sqlerrm;
end
$$;

-- Limits a login that is a member of ai_writer, in this database. Called by whoever may alter the
-- login: it runs with the caller's rights. The limits are the login's, and stay with it when this
-- function goes.
create function public.limit_ai_writer_login(
    login text,
    connections integer default 20
) returns void
language plpgsql
set search_path = ''
as $$
declare
    setting pg_catalog.record;
begin
    if not exists (
        select
        from pg_catalog.pg_roles as roles
        where
            roles.rolname = login
            and roles.rolcanlogin
            and pg_catalog.pg_has_role(roles.oid, 'ai_writer', 'member')
    ) then
        raise exception using
            errcode = 'invalid_parameter_value',
            message = pg_catalog.format('%L is not a login that is a member of ai_writer', login),
            hint = pg_catalog.format('create role %I login; grant ai_writer to %1$I', login);
    end if;
    for setting in
        select *
        from (
            values
                ('statement_timeout', '60s'),
                ('idle_in_transaction_session_timeout', '60s'),
                ('lock_timeout', '5s')
        ) as settings (name, value)
    loop
        execute pg_catalog.format(
            'alter role %I in database %I set %s = %L',
            login, pg_catalog.current_database(), setting.name, setting.value
        );
    end loop;
    execute pg_catalog.format('alter role %I connection limit %s', login, connections);
end
$$;

revoke execute on function public.limit_ai_writer_login(text, integer) from public;
alter function public.limit_ai_writer_login(text, integer) owner to migrator;
