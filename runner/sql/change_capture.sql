-- Change capture on the replica: what the landing tables' triggers need. Safe to run again.

create schema if not exists signal_marts;

-- Keys that a landing table no longer holds: deleted rows, and the old keys of rows whose key
-- changed. `xid` is the local transaction that applied the change, so that a build can read the
-- changes of a window of transactions.
create table if not exists signal_marts.change_log (
    id bigint generated always as identity primary key,
    table_name text not null,
    key jsonb not null,
    xid xid8 not null default pg_current_xact_id()
);

create index if not exists change_log_xid_idx on signal_marts.change_log (xid);

-- Landing tables that were emptied, by TRUNCATE or to be copied anew: no key of theirs is in the change log, so what
-- reads changes must read all of such a table once. And views of the schema mapped that were made anew.
create table if not exists signal_marts.copies (
    id bigint generated always as identity primary key,
    table_name text not null,
    xid xid8 not null default pg_current_xact_id()
);

-- The landing tables that a view of the schema mapped reads (runner/replication/mapped.py).
create table if not exists signal_marts.mapped_tables (
    relation text,
    table_name text,
    primary key (relation, table_name)
);

-- Up to where the change log was pruned: a reader whose last cut is older must compare all rows.
create table if not exists signal_marts.change_log_pruned (
    is_only_row boolean primary key default true check (is_only_row),
    pruned_to xid8 not null
);

-- Landing tables whose rows must be copied again.
create table if not exists signal_marts.pending_copies (
    table_name text primary key
);

-- Partitions of the primary's tables as they were when a table's rows were last known to be the same
-- on both sides or, where is_different, were found not to be.
create table if not exists signal_marts.noted_partitions (
    table_name text primary key,
    partitions jsonb not null,
    is_different boolean not null
);

-- Landing tables that were emptied to be copied, whose rows were not yet counted on both sides.
create table if not exists signal_marts.uncounted_copies (
    table_name text primary key
);

-- Landing tables that have all archived rows of before a moment: these stay when the primary deletes
-- them (runner/replication/archives.py).
create table if not exists signal_marts.archives (
    table_name text primary key,
    kept_before timestamptz not null
);

-- Locks of builds: nothing is stored in them, and there is nothing to vacuum. An advisory lock could
-- be held by any login; these take a privilege. What holds build_lock is the one `build` or `watch`;
-- staging_lock keeps the models of staging of a plain dbt apart from the runner's.
create table if not exists signal_marts.build_lock (
    is_held boolean
) partition by list (is_held);

create table if not exists signal_marts.staging_lock (
    is_held boolean
) partition by list (is_held);

-- In which the runner works with a role's rights alone, and their passwords:
-- runner/servers/role_logins.py.
create table if not exists signal_marts.logins (
    role_name text primary key,
    login text not null,
    password text not null
);

create or replace function signal_marts.stamp_change() returns trigger
language plpgsql
set search_path = ''
as $$
begin
    new._xid := pg_catalog.pg_current_xact_id();
    return new;
end
$$;

-- The arguments are the key's columns.
create or replace function signal_marts.log_old_key() returns trigger
language plpgsql
set search_path = ''
as $$
begin
    -- The table is being emptied to be copied anew, and signal_marts.copies says so.
    if pg_catalog.current_setting('signal_marts.is_copying', true) = 'on' then
        return null;
    end if;
    insert into signal_marts.change_log (table_name, key)
    select
        tg_table_schema || '.' || tg_table_name,
        pg_catalog.jsonb_object_agg(names.name, pg_catalog.to_jsonb(old) -> names.name)
    from pg_catalog.unnest(tg_argv) as names (name);
    return null;
end
$$;

create or replace function signal_marts.note_truncate() returns trigger
language plpgsql
set search_path = ''
as $$
begin
    insert into signal_marts.copies (table_name)
    values (tg_table_schema || '.' || tg_table_name);
    -- Archived rows went too: nothing is built until a deploy has loaded them.
    with gone as (
        delete from signal_marts.archives
        where table_name = tg_table_schema || '.' || tg_table_name
        returning table_name
    )

    insert into signal_marts.uncounted_copies select table_name from gone on conflict do nothing;
    return null;
end
$$;

-- Of a row of before an archive's boundary: that the primary deletes it changes nothing here.
create or replace function signal_marts.keep_archived() returns trigger
language plpgsql
set search_path = ''
as $$
begin
    if exists (
        select from signal_marts.archives
        where table_name = tg_table_schema || '.' || tg_table_name
    ) then
        return null;
    end if;
    return old;
end
$$;
