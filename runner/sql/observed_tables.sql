-- What `signal-marts observe` has seen of both servers, on the replica. Safe to run again. Of each file in
-- runner/observation/sql a table, with the file's columns: a row of it, in a sample, on a side.

create table if not exists signal_marts.samples (
    id bigint generated always as identity primary key,
    taken_at timestamptz not null,
    seconds double precision not null
);

create index if not exists samples_taken_at_idx on signal_marts.samples (taken_at);

-- The parts of a sample, and relations in them that were passed over (relation is not empty). A part that is not
-- seen, and has a number of rows, was seen in part.
create table if not exists signal_marts.sample_parts (
    sample_id bigint references signal_marts.samples on delete cascade,
    side text,
    part text,
    relation text default '',
    is_seen boolean not null,
    why_not text,
    row_count integer,
    seconds double precision,
    primary key (sample_id, side, part, relation)
);

create table if not exists signal_marts.observed_servers (
    sample_id bigint references signal_marts.samples on delete cascade,
    side text,
    read_at timestamptz not null,
    version_number integer not null,
    system_identifier bigint not null,
    database_id bigint not null,
    started_at timestamptz not null,
    login text not null,
    has_all_statistics boolean not null,
    statistics_since timestamptz,
    database_bytes bigint,
    commits bigint,
    rollbacks bigint,
    deadlocks bigint,
    temp_bytes bigint,
    blocks_read bigint,
    blocks_hit bigint,
    transaction_age bigint,
    multixact_age bigint,
    freeze_max_age bigint,
    primary key (sample_id, side)
);

create table if not exists signal_marts.observed_tables (
    sample_id bigint references signal_marts.samples on delete cascade,
    side text,
    table_id bigint,
    schema_name text not null,
    table_name text not null,
    seq_scans bigint,
    seq_rows_read bigint,
    idx_scans bigint,
    idx_rows_fetched bigint,
    rows_inserted bigint,
    rows_updated bigint,
    rows_hot_updated bigint,
    rows_deleted bigint,
    live_rows bigint,
    dead_rows bigint,
    rows_changed_since_analyze bigint,
    last_vacuum_at timestamptz,
    last_autovacuum_at timestamptz,
    last_analyze_at timestamptz,
    last_autoanalyze_at timestamptz,
    heap_blocks_read bigint,
    heap_blocks_hit bigint,
    idx_blocks_read bigint,
    idx_blocks_hit bigint,
    transaction_age bigint,
    multixact_age bigint,
    primary key (sample_id, side, table_id)
);

create table if not exists signal_marts.observed_indexes (
    sample_id bigint references signal_marts.samples on delete cascade,
    side text,
    index_id bigint,
    table_id bigint not null,
    schema_name text not null,
    table_name text not null,
    index_name text not null,
    access_method text not null,
    is_unique boolean not null,
    is_primary boolean not null,
    is_partitioned boolean not null,
    is_nulls_not_distinct boolean not null,
    is_immediate boolean not null,
    is_valid boolean not null,
    is_ready boolean not null,
    is_replica_identity boolean not null,
    constraint_name text,
    is_referenced boolean not null,
    is_part_of_index boolean not null,
    key_columns text[] not null,
    key_parts text[] not null,
    included_columns text[] not null,
    has_predicate boolean not null,
    has_expressions boolean not null,
    scans bigint,
    entries_read bigint,
    rows_fetched bigint,
    last_scan_at timestamptz,
    blocks_read bigint,
    blocks_hit bigint,
    primary key (sample_id, side, index_id)
);

create table if not exists signal_marts.observed_foreign_keys (
    sample_id bigint references signal_marts.samples on delete cascade,
    side text,
    constraint_id bigint,
    table_id bigint not null,
    schema_name text not null,
    table_name text not null,
    constraint_name text not null,
    columns text[] not null,
    referenced_schema text not null,
    referenced_table text not null,
    is_validated boolean not null,
    primary key (sample_id, side, constraint_id)
);

create table if not exists signal_marts.observed_sizes (
    sample_id bigint references signal_marts.samples on delete cascade,
    side text,
    relation_id bigint,
    bytes bigint not null,
    primary key (sample_id, side, relation_id)
);

create table if not exists signal_marts.observed_sequences (
    sample_id bigint references signal_marts.samples on delete cascade,
    side text,
    sequence_id bigint,
    schema_name text not null,
    sequence_name text not null,
    data_type text not null,
    last_value bigint,
    increment bigint not null,
    min_value bigint not null,
    max_value bigint not null,
    is_cyclic boolean not null,
    column_table text,
    column_name text,
    primary key (sample_id, side, sequence_id)
);

create table if not exists signal_marts.observed_locks (
    sample_id bigint not null references signal_marts.samples on delete cascade,
    side text not null,
    relation_name text not null,
    mode text not null,
    is_granted boolean not null,
    sessions bigint not null,
    primary key (sample_id, side, relation_name, mode, is_granted)
);

create table if not exists signal_marts.observed_lock_waits (
    sample_id bigint not null references signal_marts.samples on delete cascade,
    side text not null,
    waiting_pid integer not null,
    waiting_role text,
    waiting_application text,
    lock_type text not null,
    mode text not null,
    relation_name text,
    waited_seconds double precision,
    blocking_pid integer not null,
    blocking_role text,
    blocking_application text,
    blocking_state text,
    blocking_transaction_seconds double precision
);

create index if not exists observed_lock_waits_sample_id_idx on signal_marts.observed_lock_waits (sample_id);

create table if not exists signal_marts.observed_sessions (
    sample_id bigint not null references signal_marts.samples on delete cascade,
    side text not null,
    role_name text,
    application_name text,
    state text,
    sessions bigint not null,
    sessions_waiting_for_locks bigint,
    oldest_transaction_seconds double precision,
    longest_statement_seconds double precision
);

create index if not exists observed_sessions_sample_id_idx on signal_marts.observed_sessions (sample_id);

create table if not exists signal_marts.observed_wal (
    sample_id bigint references signal_marts.samples on delete cascade,
    side text,
    wal_records bigint,
    full_page_images bigint,
    wal_bytes bigint,
    buffers_full bigint,
    position_bytes bigint,
    counted_since timestamptz,
    primary key (sample_id, side)
);

create table if not exists signal_marts.observed_checkpoints (
    sample_id bigint references signal_marts.samples on delete cascade,
    side text,
    timed bigint,
    requested bigint,
    write_seconds double precision,
    sync_seconds double precision,
    buffers_written bigint,
    counted_since timestamptz,
    primary key (sample_id, side)
);

create table if not exists signal_marts.observed_slots (
    sample_id bigint references signal_marts.samples on delete cascade,
    side text,
    slot_name text,
    slot_type text not null,
    database_name text,
    is_active boolean not null,
    xmin_age bigint,
    catalog_xmin_age bigint,
    retained_bytes bigint,
    unconfirmed_bytes bigint,
    wal_status text,
    safe_bytes bigint,
    primary key (sample_id, side, slot_name)
);

create table if not exists signal_marts.observed_standbys (
    sample_id bigint not null references signal_marts.samples on delete cascade,
    side text not null,
    application_name text,
    role_name text,
    kind text not null,
    state text,
    replay_bytes bigint,
    replay_seconds double precision,
    xmin_age bigint
);

create index if not exists observed_standbys_sample_id_idx on signal_marts.observed_standbys (sample_id);

create table if not exists signal_marts.observed_subscriptions (
    sample_id bigint references signal_marts.samples on delete cascade,
    side text,
    subscription_name text,
    slot_name text,
    is_enabled boolean not null,
    is_applying boolean not null,
    latest_end_at timestamptz,
    apply_errors bigint,
    sync_errors bigint,
    tables_not_ready bigint not null,
    primary key (sample_id, side, subscription_name)
);

create table if not exists signal_marts.observed_xmin_holders (
    sample_id bigint not null references signal_marts.samples on delete cascade,
    side text not null,
    kind text not null,
    name text not null,
    role_name text,
    application_name text,
    xmin_age bigint not null,
    since_at timestamptz,
    primary key (sample_id, side, kind, name)
);

create table if not exists signal_marts.observed_roles (
    sample_id bigint references signal_marts.samples on delete cascade,
    side text,
    role_name text,
    is_superuser boolean not null,
    is_replication boolean not null,
    is_login boolean not null,
    member_of text[] not null,
    primary key (sample_id, side, role_name)
);

create table if not exists signal_marts.observed_statements (
    sample_id bigint references signal_marts.samples on delete cascade,
    side text,
    role_name text,
    query_id bigint,
    is_top_level boolean,
    calls bigint not null,
    seconds double precision not null,
    row_count bigint not null,
    blocks_hit bigint,
    blocks_read bigint,
    blocks_dirtied bigint,
    blocks_written bigint,
    temp_blocks_written bigint,
    wal_bytes bigint,
    counted_since timestamptz,
    is_own_since boolean,
    primary key (sample_id, side, role_name, query_id, is_top_level)
);

create table if not exists signal_marts.observed_io (
    sample_id bigint references signal_marts.samples on delete cascade,
    side text,
    backend_type text,
    object text,
    context text,
    reads bigint,
    writes bigint,
    extends bigint,
    hits bigint,
    evictions bigint,
    read_seconds double precision,
    write_seconds double precision,
    counted_since timestamptz,
    primary key (sample_id, side, backend_type, object, context)
);

-- Kept once, and not with each sample: texts, and since when an index has been there.

create table if not exists signal_marts.index_definitions (
    side text,
    system_identifier bigint,
    database_id bigint,
    index_id bigint,
    definition text not null,
    predicate text,
    expressions text,
    first_seen_at timestamptz not null,
    primary key (side, system_identifier, database_id, index_id)
);

create table if not exists signal_marts.statement_texts (
    side text,
    query_id bigint,
    statement text not null,
    primary key (side, query_id)
);

-- The newest sample that has a part of a side, seen or not: a sparing one has few.
create or replace view signal_marts.last_parts as
select
    newest.side,
    newest.part,
    newest.sample_id,
    samples.taken_at,
    parts.is_seen
from (
    select
        side,
        part,
        max(sample_id) as sample_id
    from signal_marts.sample_parts
    where relation = ''
    group by side, part
) as newest
inner join signal_marts.samples on newest.sample_id = samples.id
inner join signal_marts.sample_parts as parts
    on
        newest.sample_id = parts.sample_id
        and newest.side = parts.side
        and newest.part = parts.part
        and parts.relation = '';

-- A login that only builds may observe as well.
grant insert, update, delete on
    signal_marts.samples,
    signal_marts.sample_parts,
    signal_marts.observed_servers,
    signal_marts.observed_tables,
    signal_marts.observed_indexes,
    signal_marts.observed_foreign_keys,
    signal_marts.observed_sizes,
    signal_marts.observed_sequences,
    signal_marts.observed_locks,
    signal_marts.observed_lock_waits,
    signal_marts.observed_sessions,
    signal_marts.observed_wal,
    signal_marts.observed_checkpoints,
    signal_marts.observed_slots,
    signal_marts.observed_standbys,
    signal_marts.observed_subscriptions,
    signal_marts.observed_xmin_holders,
    signal_marts.observed_roles,
    signal_marts.observed_statements,
    signal_marts.observed_io,
    signal_marts.index_definitions,
    signal_marts.statement_texts
to transformer;
