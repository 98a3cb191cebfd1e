revoke usage on schema public from ai_writer, replicator;
revoke usage, create on schema public from migrator;

do $$
declare
    role_name text;
begin
    for role_name in
        select roles.rolname
        from pg_catalog.pg_roles as roles
        where
            roles.rolname in ('migrator', 'ai_writer', 'replicator')
            and pg_catalog.shobj_description(roles.oid, 'pg_authid') = 'made by signal-marts'
    loop
        begin
            execute format('drop role %I', role_name);
        exception
            -- Another database of this server, such as a replica, still uses it.
            when dependent_objects_still_exist then
                raise notice 'role % stays: another database of this server uses it', role_name;
        end;
    end loop;
end
$$;
