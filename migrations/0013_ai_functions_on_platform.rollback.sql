do $$
declare
    found record;
begin
    for found in
        select
            classes.oid::regclass as relation,
            case classes.relkind when 'S' then 'sequence' else 'table' end as kind
        from pg_catalog.pg_shdepend as depends
        inner join pg_catalog.pg_class as classes on depends.objid = classes.oid
        where
            depends.dbid = (select oid from pg_catalog.pg_database where datname = current_database())
            and depends.classid = 'pg_catalog.pg_class'::regclass
            and depends.refclassid = 'pg_catalog.pg_authid'::regclass
            and depends.refobjid = to_regrole('ai_functions')
            and depends.deptype = 'a'
            -- What belongs to migrator is ours: the migration before this one granted that.
            and pg_get_userbyid(classes.relowner) <> 'migrator'
    loop
        -- This takes the rights on single columns with it.
        execute format('revoke all on %s %s from ai_functions', found.kind, found.relation);
    end loop;
end
$$;
