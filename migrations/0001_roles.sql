-- Roles of the primary. They cannot log in: grant them to the logins that a team makes.
-- depends:

-- A role that was there before stays whose it was: only those made here carry the comment
-- by which the rollback knows them.
do $$
declare
    role_name text;
begin
    foreach role_name in array array['migrator', 'ai_writer', 'replicator'] loop
        if not exists (select from pg_catalog.pg_roles where rolname = role_name) then
            execute format('create role %I nologin', role_name);
            execute format('comment on role %I is %L', role_name, 'made by signal-marts');
        end if;
    end loop;
    -- The deploying login owns the AI tables through migrator, and publishes them.
    if not (select rolsuper from pg_catalog.pg_roles where rolname = current_user) then
        execute format('grant migrator to %I', current_user);
    end if;
end
$$;

grant usage, create on schema public to migrator;
grant usage on schema public to ai_writer, replicator;
