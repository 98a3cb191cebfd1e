-- A token that is written here and seen on the replica proves that all before it has arrived.
-- depends: 0008_market_bars

create table public.ai_replication_fence (
    id smallint primary key,
    token uuid not null,
    written_at timestamptz not null,
    constraint ai_replication_fence_id_check check (id = 1)
);

alter table public.ai_replication_fence owner to migrator;
