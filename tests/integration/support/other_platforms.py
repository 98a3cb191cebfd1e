"""Platforms with tables of their own making, as teams have them, and rows to begin with."""

from __future__ import annotations

# As Prisma writes it: quoted camelCase, uuid keys, enums, times without zone in UTC.
PRISMA = """
create type "OrderSide" as enum ('LONG', 'SHORT');
create type "OrderState" as enum ('PENDING', 'COMPLETED', 'PARTIAL', 'EXPIRED');
create table "TradePlan" (
    "id" uuid primary key default gen_random_uuid(),
    "symbol" text not null,
    "strategyName" text not null,
    "entryPrice" numeric(65, 30),
    "stopLoss" numeric(65, 30),
    "takeProfit" numeric(65, 30),
    "account" text,
    "createdAt" timestamp(3) not null default current_timestamp
);
create table "Order" (
    "id" uuid primary key default gen_random_uuid(),
    "tradePlanId" uuid references "TradePlan" ("id") on delete set null on update cascade,
    "symbol" text not null,
    "side" "OrderSide" not null,
    "quantity" numeric(65, 30) not null,
    "filledQty" numeric(65, 30) not null default 0,
    "avgPrice" numeric(65, 30),
    "fee" numeric(65, 30) not null default 0,
    "status" "OrderState" not null default 'PENDING',
    "createdAt" timestamp(3) not null default current_timestamp,
    "filledAt" timestamp(3),
    "updatedAt" timestamp(3)
);
create table "Pattern" (
    "id" uuid primary key default gen_random_uuid(),
    "symbol" text not null,
    "kind" text not null,
    "direction" "OrderSide" not null,
    "confidence" double precision,
    "detectedAt" timestamp(3) not null
);
create table "DailyStats" (
    "date" date primary key,
    "netPnl" numeric(65, 30) not null,
    "tradeCount" integer not null,
    "wins" integer not null,
    "losses" integer not null
);
create table "_prisma_migrations" (id varchar(36) primary key, checksum varchar(64) not null);

insert into "TradePlan" ("id", "symbol", "strategyName", "entryPrice", "createdAt") values
('00000000-0000-4000-8000-000000000001', 'BTCUSD', 'breakout', 100, '2026-01-05 09:00'),
('00000000-0000-4000-8000-000000000002', 'ETHUSD', 'fade', 10, '2026-01-05 09:00');
insert into "Order"
    ("id", "tradePlanId", "symbol", "side", "quantity", "filledQty", "avgPrice", "fee", "status",
    "createdAt", "filledAt")
values
('10000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000001', 'BTCUSD', 'LONG',
    2, 2, 100, 0.5, 'COMPLETED', '2026-01-05 10:00', '2026-01-05 10:01'),
('10000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000001', 'BTCUSD', 'SHORT',
    2, 2, 110, 0.5, 'COMPLETED', '2026-01-06 10:00', '2026-01-06 10:01'),
('10000000-0000-4000-8000-000000000003', '00000000-0000-4000-8000-000000000002', 'ETHUSD', 'SHORT',
    5, 3, 10, 0, 'PARTIAL', '2026-01-06 11:00', '2026-01-06 11:01'),
('10000000-0000-4000-8000-000000000004', null, 'ETHUSD', 'LONG',
    3, 0, null, 0, 'EXPIRED', '2026-01-06 12:00', null);
insert into "Pattern" ("symbol", "kind", "direction", "confidence", "detectedAt") values
('BTCUSD', 'flag', 'LONG', 0.7, '2026-01-05 08:00');
insert into "DailyStats" values ('2026-01-05', 0, 0, 0, 0), ('2026-01-06', 19, 1, 1, 0);
"""

# A schema of its own; Berlin's clock; words of its own; rates and percentages; text and epochs.
BERLIN = """
create schema handel;
create table handel.setups (
    setup_no serial primary key,
    instrument varchar(20) not null,
    kind varchar(20),
    is_short boolean not null,
    confidence_pct numeric(5, 2),
    detected_at timestamp not null
);
create table handel.positions (
    position_no serial primary key,
    instrument varchar(20) not null,
    strategy varchar(20),
    stop numeric(18, 8),
    target numeric(18, 8),
    fee_rate double precision,
    opened_at timestamp not null
);
create table handel.orders (
    order_no serial primary key,
    position_no integer not null references handel.positions,
    action char(1) not null,
    qty text not null,
    executed_qty text,
    avg_price text,
    fee_rate double precision,
    state varchar(12) not null,
    placed_at timestamp not null,
    executed_at bigint
);
create table handel.daily_summary (
    day date primary key,
    pnl numeric not null
);

insert into handel.setups (instrument, kind, is_short, confidence_pct, detected_at) values
('DAX', 'gap', false, 72.5, '2026-07-01 09:00'), ('DAX', 'gap', true, 55, '2026-07-02 09:00');
insert into handel.positions (instrument, strategy, fee_rate, opened_at) values
('DAX', 'gap', 0.001, '2026-07-01 09:00');
insert into handel.orders
    (position_no, action, qty, executed_qty, avg_price, fee_rate, state, placed_at, executed_at)
values
(1, 'B', '2', '2', '100', 0.001, 'executed', '2026-07-02 00:30', 1782945600000),
(1, 'S', '2', '2', '101.50', 0.001, 'executed', '2026-07-02 11:00', 1782982800000),
(1, 'S', '1', null, null, 0.001, 'storno', '2026-07-02 12:00', null);
insert into handel.daily_summary values ('2026-07-02', 2.597);
"""

# One table of executions, keyed by text, and nothing else.
ORDERS_ONLY = """
create table executions (
    exec_id text primary key,
    ticker text not null,
    side text not null,
    size double precision not null,
    price double precision not null,
    commission double precision,
    venue text,
    "clOrdId" text,
    "isPaper" boolean,
    executed_ms bigint not null
);
insert into executions values
('a-1', 'PEPE', 'BOT', 1000000, 0.00000850, 0.01, 'x', 'dqn/BUY/7', null, 1767607200000),
('a-2', 'PEPE', 'SLD', 1000000, 0.00001200, 0.01, 'x', ' dqn/BUY/7 ', false, 1767610800000),
('b-1', 'PEPE', 'XXX', 1, 1, 0, 'x', null, false, 1767614400000),
('p-1', 'PEPE', 'SLD', 5, 1, 0, 'x', 'p', true, 1767614400000);
"""
