drop function public.limit_ai_writer_login(text, integer);

do $$
begin
    if shobj_description(to_regrole('ai_writer'), 'pg_authid') = 'made by signal-marts' then
        execute format('alter role ai_writer in database %I reset all', current_database());
        alter role ai_writer connection limit -1;
    end if;
exception
    when insufficient_privilege then
        raise notice 'ai_writer keeps the settings that another login gave it: %', sqlerrm;
end
$$;
