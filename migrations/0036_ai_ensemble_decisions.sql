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
    constraint ai_ensemble_decisions_pkey primary key (symbol, decided_at),
    constraint ai_ensemble_decisions_decision_check check (decision in ('BUY', 'SELL', 'HOLD')),
    constraint ai_ensemble_decisions_probability_up_check check (
        probability_up between 0 and 1
    )
);

create index idx_ai_ensemble_decisions_published on public.ai_ensemble_decisions (published_at);

alter table public.ai_ensemble_decisions owner to migrator;
