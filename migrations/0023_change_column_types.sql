-- Changing the types of published columns, by the platform's own deploy and by migrations.
-- depends: 0022_import_ai_rows

-- PostgreSQL refuses ALTER COLUMN TYPE on a column that a publication lists. In one transaction the
-- table is taken out of publication signal_marts, altered, and put back with the same columns:
--
--     select public.change_column_types(
--         'public.trading_orders', '{"symbol": "varchar(40)", "quantity": "numeric(30, 10)"}'
--     );
--
-- A migration of ours does the same with the AI tables; where nothing is published yet, that is
-- a plain ALTER TABLE. Where another tool writes the ALTER TABLE, it stands between the two halves:
--
--     select public.withdraw_from_publication('public.trading_orders');
--     alter table public.trading_orders alter column symbol type varchar(40);
--     select public.return_to_publication('public.trading_orders');
--
-- Where types only widen, the rows are the same as before and nothing is copied. Otherwise the table
-- stays out of the publication, with a warning, until the next `signal-marts deploy`, which copies it
-- again. Set lock_timeout before: the table is locked until the transaction ends, so that no change
-- of anybody's falls in between.
--
-- Only the owner of a table gets through, and locks and alters it with rights of its own: a view of
-- its own, locked with other rights, would lock what it reads. Out of the publication and back, the
-- table comes with the rights of the login that deploys, which owns the publication and may publish
-- the table; what runs so executes nothing that a caller wrote. All that it touches belongs to that
-- login: a trigger of another role would run with its rights.

-- Tables that this very transaction has taken out: no other one ever sees a row.
create table public.ai_withdrawn_tables (
    table_oid oid not null,
    column_names name[] not null,
    column_numbers smallint[] not null,
    type_oids oid[] not null,
    type_modifiers integer[] not null,
    rows_written bigint not null,
    files_in_use bigint not null,
    constraint ai_withdrawn_tables_pkey primary key (table_oid)
);

-- Whether every value of the one type is a value of the other, and equals what it was. Replication
-- carries text, so a real does not widen: 0.1 reads 0.1, but 0.10000000149011612 as a double
-- precision; nor does a char, whose blanks at the end go.
create function public.type_only_widens(
    former_type oid,
    former_modifier integer,
    latter_type oid,
    latter_modifier integer
) returns boolean
language plpgsql
stable
set search_path = ''
as $$
declare
    -- Digits of integers.
    digits constant pg_catalog.jsonb := '{"int2": 5, "int4": 10, "int8": 19}';
    former pg_catalog.text;
    latter pg_catalog.text;
    former_digits integer;
    former_scale integer := 0;
    latter_scale integer;
begin
    if former_type = latter_type and former_modifier = latter_modifier then
        return true;
    end if;
    select types.typname into former from pg_catalog.pg_type as types where types.oid = former_type;
    select types.typname into latter from pg_catalog.pg_type as types where types.oid = latter_type;
    if former like 'int_' and latter like 'int_' then
        return (digits ->> former)::integer <= (digits ->> latter)::integer;
    end if;
    if latter = 'numeric' and (former = 'numeric' or digits ? former) then
        if latter_modifier = -1 then
            return true;
        end if;
        if former = 'numeric' then
            if former_modifier = -1 then
                return false;
            end if;
            -- The scale is in the last eleven bits, and may be negative.
            former_scale := (((former_modifier - 4) & 2047) # 1024) - 1024;
            former_digits := (((former_modifier - 4) >> 16) & 65535) - former_scale;
        else
            former_digits := (digits ->> former)::integer;
        end if;
        latter_scale := (((latter_modifier - 4) & 2047) # 1024) - 1024;
        return
            latter_scale >= former_scale
            and (((latter_modifier - 4) >> 16) & 65535) - latter_scale >= former_digits;
    end if;
    if former = 'varchar' and latter = 'text' then
        return true;
    end if;
    if former = latter and former in ('varchar', 'timestamp', 'timestamptz') then
        -- Without a modifier, a time has six digits.
        return
            latter_modifier = -1
            or (former_modifier <> -1 and latter_modifier >= former_modifier)
            or (former <> 'varchar' and latter_modifier = 6);
    end if;
    return false;
end
$$;

-- Rows of a table and its partitions that this transaction has written.
create function public.rows_written_so_far(table_name regclass) returns bigint
language sql
volatile
set search_path = ''
as $$
    select
        coalesce(
            sum(
                pg_catalog.pg_stat_get_xact_tuples_inserted(written.oid)
                + pg_catalog.pg_stat_get_xact_tuples_updated(written.oid)
                + pg_catalog.pg_stat_get_xact_tuples_deleted(written.oid)
            ),
            0
        )::bigint
    from (
        select table_name::pg_catalog.oid as oid
        union
        select relid::pg_catalog.oid from pg_catalog.pg_partition_tree(table_name)
    ) as written
$$;

-- How many of a table and its partitions have rows, or had. TRUNCATE writes none.
create function public.files_in_use(table_name regclass) returns bigint
language sql
volatile
set search_path = ''
as $$
    select count(*)
    from (
        select table_name::pg_catalog.oid as oid
        union
        select relid::pg_catalog.oid from pg_catalog.pg_partition_tree(table_name)
    ) as filled
    where pg_catalog.pg_relation_size(filled.oid) > 0
$$;

-- Takes a table, which this transaction has locked, out of publication signal_marts.
create function public.take_out_of_publication(table_name regclass) returns boolean
language plpgsql
security definer
set search_path = ''
as $$
declare
    published pg_catalog.record;
begin
    -- session_user, since current_user is who runs this function.
    if not exists (
        select
        from pg_catalog.pg_class as tables
        where
            tables.oid = table_name
            and pg_catalog.pg_has_role(session_user, tables.relowner, 'member')
    ) then
        raise exception using
            errcode = 'insufficient_privilege',
            message = pg_catalog.format('must be owner of table %s', table_name);
    end if;
    if not exists (
        select
        from pg_catalog.pg_locks as locks
        where
            locks.locktype = 'relation'
            and locks.database = (
                select databases.oid
                from pg_catalog.pg_database as databases
                where databases.datname = pg_catalog.current_database()
            )
            and locks.relation = table_name
            and locks.pid = pg_catalog.pg_backend_pid()
            and locks.mode = 'AccessExclusiveLock'
            and locks.granted
    ) then
        raise exception using
            errcode = 'object_not_in_prerequisite_state',
            message = pg_catalog.format('table %s is not locked', table_name),
            hint = 'call public.withdraw_from_publication(), which locks it';
    end if;
    select
        relations.prattrs::pg_catalog.int2[] as columns,
        relations.prqual is not null as is_filtered
    into published
    from pg_catalog.pg_publication_rel as relations
    inner join pg_catalog.pg_publication as publications on relations.prpubid = publications.oid
    where publications.pubname = 'signal_marts' and relations.prrelid = table_name;
    if not found then
        return false;
    end if;
    if published.is_filtered then
        raise exception using
            errcode = 'object_not_in_prerequisite_state',
            message = pg_catalog.format('%s is published with a row filter', table_name),
            hint = 'run signal-marts deploy: it takes the filter away';
    end if;
    insert into public.ai_withdrawn_tables (
        table_oid, column_names, column_numbers, type_oids, type_modifiers, rows_written,
        files_in_use
    )
    select
        table_name,
        pg_catalog.array_agg(columns.attname order by columns.attnum),
        pg_catalog.array_agg(columns.attnum order by columns.attnum),
        pg_catalog.array_agg(columns.atttypid order by columns.attnum),
        pg_catalog.array_agg(columns.atttypmod order by columns.attnum),
        public.rows_written_so_far(table_name),
        public.files_in_use(table_name)
    from pg_catalog.pg_attribute as columns
    where
        columns.attrelid = table_name and columns.attnum > 0 and not columns.attisdropped
        and coalesce(columns.attnum = any(published.columns), true);
    execute pg_catalog.format('alter publication signal_marts drop table %s', table_name);
    return true;
end
$$;

-- Takes a table out of publication signal_marts until the end of the transaction at the latest, by
-- when it must have been put back. Returns false where it is not published.
create function public.withdraw_from_publication(table_name regclass) returns boolean
language plpgsql
set search_path = ''
as $$
begin
    execute pg_catalog.format('lock table %s in access exclusive mode', table_name);
    return public.take_out_of_publication(table_name);
end
$$;

-- Puts a table back that this transaction has withdrawn. Returns false, and warns, where rows may be
-- others than those that were published.
create function public.return_to_publication(table_name regclass) returns boolean
language plpgsql
security definer
set search_path = ''
as $$
declare
    withdrawn public.ai_withdrawn_tables;
begin
    delete from public.ai_withdrawn_tables as tables
    where tables.table_oid = table_name
    returning * into withdrawn;
    if not found then
        return false;
    end if;
    if
        withdrawn.rows_written <> public.rows_written_so_far(table_name)
        or withdrawn.files_in_use <> public.files_in_use(table_name)
        or exists (
            select
            from rows from (
                pg_catalog.unnest(withdrawn.column_names),
                pg_catalog.unnest(withdrawn.column_numbers),
                pg_catalog.unnest(withdrawn.type_oids),
                pg_catalog.unnest(withdrawn.type_modifiers)
            ) as former (column_name, column_number, type_oid, type_modifier)
            inner join pg_catalog.pg_attribute as latter
                on latter.attrelid = table_name and former.column_name = latter.attname
            where
                former.column_number <> latter.attnum
                or not public.type_only_widens(
                    former.type_oid, former.type_modifier, latter.atttypid, latter.atttypmod
                )
        )
    then
        raise warning using
            message = pg_catalog.format(
                '%s is no longer replicated: its rows may have changed', table_name
            ),
            hint = 'run signal-marts deploy: it copies the table again';
        return false;
    end if;
    execute pg_catalog.format(
        'alter publication signal_marts add table %s (%s)',
        table_name,
        (
            select pg_catalog.string_agg(pg_catalog.quote_ident(names.name), ', ')
            from pg_catalog.unnest(withdrawn.column_names) as names (name)
        )
    );
    return true;
end
$$;

-- On another table, the type of its column could have a cast that somebody wrote.
create function public.check_withdrawn_tables() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
    if tg_relid <> 'public.ai_withdrawn_tables'::pg_catalog.regclass then
        raise exception using
            errcode = 'insufficient_privilege',
            message = 'this trigger is of public.ai_withdrawn_tables';
    end if;
    if exists (
        select from public.ai_withdrawn_tables as tables where tables.table_oid = new.table_oid
    ) then
        raise exception using
            errcode = 'object_not_in_prerequisite_state',
            message = pg_catalog.format(
                '%s was taken out of publication signal_marts and not put back',
                new.table_oid::pg_catalog.regclass
            ),
            hint = 'call public.return_to_publication() before the transaction ends';
    end if;
    return null;
end
$$;

revoke execute on function public.check_withdrawn_tables() from public;

create constraint trigger ai_withdrawn_tables_return
after insert on public.ai_withdrawn_tables
deferrable initially deferred
for each row execute function public.check_withdrawn_tables();

-- Gives columns other types, `types` being an object of type by column.
create function public.change_column_types(table_name regclass, types jsonb) returns void
language plpgsql
set search_path = ''
as $$
declare
    given pg_catalog.record;
    actions pg_catalog.text[];
begin
    for given in
        select fields.column_name, fields.data_type
        from pg_catalog.jsonb_each_text(types) as fields (column_name, data_type)
    loop
        -- The first reads a type and nothing else, but for comments.
        if
            pg_catalog.to_regtype(given.data_type) is null
            or given.data_type !~ '^[[:alnum:]_ .,()"]+$'
        then
            raise exception using
                errcode = 'invalid_parameter_value',
                message = pg_catalog.format('%L is not a type', given.data_type),
                hint = 'a type of another schema than pg_catalog needs the schema''s name';
        end if;
        actions := actions || pg_catalog.format(
            'alter column %I type %s', given.column_name, given.data_type
        );
    end loop;
    if actions is null then
        return;
    end if;
    perform public.withdraw_from_publication(table_name);
    execute pg_catalog.format(
        'alter table %s %s', table_name, pg_catalog.array_to_string(actions, ', ')
    );
    perform public.return_to_publication(table_name);
end
$$;
