-- What was applied, by the SHA-256 of its files: an edit of an applied migration shows.
-- depends: 0009_ai_replication_fence

create table public.ai_migration_ledger (
    migration_id text primary key,
    apply_sha256 text not null,
    rollback_sha256 text not null,
    recorded_at timestamptz not null default now(),
    constraint ai_migration_ledger_sha256_check check (
        apply_sha256 ~ '^[0-9a-f]{64}$' and rollback_sha256 ~ '^[0-9a-f]{64}$'
    )
);

alter table public.ai_migration_ledger owner to migrator;
