-- The ensemble's decisions, where the trading is.
-- depends: 0035_vacuum_of_large_tables

-- `watch --deliver-decisions` adds each one that a build has published, once, and notifies the channel
-- ai_ensemble_decisions in the same transaction.
create table public.ai_ensemble_decisions (
    symbol text not null,
    decided_at timestamptz not null,
    timeframe text not null,
    decision text not null,
    probability_up double precision not null,
    contributors bigint not null,
    confirming_experts text,
    contradicting_experts text,
    published_at timestamptz not null,
    build_id text not null,
    delivered_at timestamptz not null default clock_timestamp(),
    constraint ai_ensemble_decisions_pkey primary key (symbol, decided_at)
);

-- Up to when what was published has been delivered. Rows above may be deleted, this one stays.
create table public.ai_decision_deliveries (
    id smallint primary key,
    published_until timestamptz not null,
    constraint ai_decision_deliveries_id_check check (id = 1)
);

alter table public.ai_ensemble_decisions owner to migrator;
alter table public.ai_decision_deliveries owner to migrator;
