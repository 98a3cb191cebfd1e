-- The second of two steps to public.market_bars in partitions by month: docs/growth.md.
-- All bars until now become one partition as they are; none is read, copied or checked. One
-- transaction: writers wait for it, and it waits for the lock for two seconds at most, and then
-- fails, leaving all as it was. Run it again.

set timezone = 'UTC';
-- No function of somebody else's stands in for one of PostgreSQL's own.
set search_path = pg_catalog;
set lock_timeout = '2s';

do $$
declare
    past constant regclass := 'public.market_bars';
    boundary timestamptz;
    owner text;
    options text;
    published text;
    statement text;
    triggers text[];
begin
    select substring(pg_get_constraintdef(oid) from '''([^'']+)''')::timestamptz into boundary
    from pg_catalog.pg_constraint
    where conrelid = past and conname = 'market_bars_past_check' and convalidated;
    if boundary is null then
        raise exception using
            errcode = 'object_not_in_prerequisite_state',
            message = 'the bars until now have no proven bound',
            hint = 'run 1_bound.sql first';
    end if;
    -- What belongs to the table is made anew with the rights of whoever runs this.
    if exists (
        select
        from (
            select 'pg_class'::regclass::oid as classid, past::oid as objid
            union all
            select 'pg_class'::regclass, indexrelid from pg_index where indrelid = past
            union all
            select classid, objid
            from pg_depend
            where
                refclassid = 'pg_class'::regclass and refobjid = past
                and deptype in ('a', 'i') and classid <> 'pg_trigger'::regclass
        ) as belongings
        inner join pg_depend as needs using (classid, objid)
        where needs.refclassid in (
            'pg_proc'::regclass, 'pg_operator'::regclass, 'pg_opclass'::regclass, 'pg_type'::regclass
        )
    ) then
        raise exception using
            errcode = 'object_not_in_prerequisite_state',
            message = 'public.market_bars has an index, a constraint or a default of functions, '
                'operators or types that are not PostgreSQL''s own',
            hint = 'drop it, and make it again afterwards';
    end if;
    -- These would go on reading the past alone.
    if
        exists (select from pg_catalog.pg_constraint where confrelid = past)
        or exists (
            select
            from pg_catalog.pg_depend
            where
                refobjid = past
                and classid in ('pg_rewrite'::regclass, 'pg_proc'::regclass, 'pg_policy'::regclass)
        )
        or exists (
            select
            from pg_catalog.pg_publication_rel as relations
            inner join pg_catalog.pg_publication as publications
                on relations.prpubid = publications.oid
            where relations.prrelid = past and publications.pubname <> 'signal_marts'
        )
    then
        raise exception using
            errcode = 'dependent_objects_still_exist',
            message = 'a view, a function, a policy, a foreign key or another publication refers '
                'to public.market_bars',
            hint = 'drop it, and make it again afterwards';
    end if;

    -- What these say would be lost.
    if
        exists (
            select
            from pg_catalog.pg_trigger
            where tgrelid = past and not tgisinternal and tgenabled <> 'O'
        )
        or exists (
            select from pg_catalog.pg_publication_rel where prrelid = past and prqual is not null
        )
    then
        raise exception using
            errcode = 'object_not_in_prerequisite_state',
            message = 'a trigger of public.market_bars is not enabled as usual, or its publication '
                'has a row filter',
            hint = 'enable or drop the trigger, take the WHERE out of the publication, and set '
                'them again afterwards';
    end if;

    select quote_ident(pg_get_userbyid(relowner)), array_to_string(reloptions, ', ')
    into owner, options
    from pg_catalog.pg_class where oid = past;
    execute 'create table public.market_bars_by_month (like public.market_bars including all) '
        'partition by range (opened_at)';
    execute 'alter table public.market_bars_by_month drop constraint market_bars_past_check';
    execute format(
        'comment on table public.market_bars_by_month is %L', obj_description(past, 'pg_class')
    );
    for statement in
        select format(
            'create table public.%I partition of public.market_bars_by_month '
            'for values from (%L) to (%L)',
            'market_bars_' || to_char(months.at, 'YYYY_MM'),
            months.at,
            months.at + interval '1 month'
        )
        from generate_series(boundary, boundary + interval '35 months', interval '1 month')
            as months (at)
        union all
        -- A bar of no month is kept. No month can be made where it has some of that month's.
        select 'create table public.market_bars_other partition of public.market_bars_by_month '
            'default'
    loop
        execute statement || coalesce(' with (' || options || ')', '');
    end loop;
    for statement in
        select format('alter table %s owner to %s', relid, owner)
        from pg_partition_tree('public.market_bars_by_month')
        union all
        select format(
            'grant %s on public.market_bars_by_month to %s%s',
            rights.privilege_type || coalesce(' (' || quote_ident(rights.column_name) || ')', ''),
            case when rights.grantee = 0 then 'public'
                else quote_ident(pg_get_userbyid(rights.grantee)) end,
            case when rights.is_grantable then ' with grant option' else '' end
        )
        from (
            select given.privilege_type, given.grantee, given.is_grantable, null as column_name
            from pg_catalog.pg_class as classes
            cross join lateral aclexplode(classes.relacl) as given
            where classes.oid = past and given.grantee <> classes.relowner
            union all
            select given.privilege_type, given.grantee, given.is_grantable, columns.attname
            from pg_catalog.pg_attribute as columns
            cross join lateral aclexplode(columns.attacl) as given
            where columns.attrelid = past
        ) as rights
    loop
        execute statement;
    end loop;

    -- From here on writers wait.
    lock table public.market_bars in access exclusive mode;
    select string_agg(quote_ident(columns.attname), ', ' order by columns.attnum)
    into published
    from pg_catalog.pg_publication_tables as tables
    inner join pg_catalog.pg_attribute as columns
        on columns.attrelid = past and columns.attname = any(tables.attnames)
    where
        tables.pubname = 'signal_marts'
        and tables.schemaname = 'public' and tables.tablename = 'market_bars';
    if published is not null then
        execute 'alter publication signal_marts drop table public.market_bars';
    end if;
    select array_agg(pg_get_triggerdef(oid) order by tgname)
    into triggers
    from pg_catalog.pg_trigger where tgrelid = past and not tgisinternal;
    for statement in
        select format('drop trigger %I on public.market_bars', tgname)
        from pg_catalog.pg_trigger where tgrelid = past and not tgisinternal
    loop
        execute statement;
    end loop;
    alter table public.market_bars rename to market_bars_past;
    alter table public.market_bars_by_month rename to market_bars;
    foreach statement in array coalesce(triggers, '{}') loop
        execute statement;
    end loop;
    execute format(
        'alter table public.market_bars attach partition public.market_bars_past '
        'for values from (minvalue) to (%L)',
        boundary
    );
    alter table public.market_bars_past drop constraint market_bars_past_check;
    if published is not null then
        execute format(
            'alter publication signal_marts add table public.market_bars (%s)', published
        );
    end if;
end
$$;
