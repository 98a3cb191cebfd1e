"""Our own indexes: each is the plan of a query of ours on tables of some size, and makes it read
less; none is a duplicate, and no foreign key of ours lacks one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from advised import take
from landscapes import Landscape
from psycopg import sql

from runner.servers.contract import read_contract
from runner.servers.database import Connection, scalar
from runner.servers.relations import Relation, read_relations

OWN = ("public", "retraining", "signal_marts")

ON_PRIMARY = {
    # The last signals of a symbol, and those of a model that are open: modules, and the platform.
    "idx_ai_signals_symbol_timestamp": "select * from public.ai_trading_signals"
    " where symbol = 'S7' order by created_at desc limit 20",
    "idx_ai_signals_model_status": "select * from public.ai_trading_signals"
    " where model_id = 7 and status = 'ACTIVE'",
    # What the platform's DELETE looks for.
    "idx_ai_signals_pattern": "select from public.ai_trading_signals where pattern_id = 7",
    "idx_ai_signals_trade_plan": "select from public.ai_trading_signals where trade_plan_id = 7",
    # expire_ai_signals
    "idx_ai_signals_expiry": "select * from public.ai_trading_signals"
    " where status = 'ACTIVE' and expires_at <= timestamptz '2026-01-01 12:00'",
    # The last record of a training.
    "idx_rl_episodes_model": "select * from public.rl_training_episodes"
    " where model_id = 7 order by episode_number desc limit 1",
    "idx_genetic_generations_model": "select * from public.genetic_generations"
    " where model_id = 7 order by generation_number desc limit 1",
    "idx_spectrum_analysis_symbol": "select * from public.spectrum_analysis"
    " where symbol = 'S7' and analysis_type = 'fourier'",
    "idx_spectrum_analysis_model": "select * from public.spectrum_analysis where model_id = 7",
    # The stage that a version is in, and the champion of a name.
    "idx_ai_model_stages_model": "select * from public.ai_model_stages"
    " where model_id = 7 order by since desc, id desc limit 1",
    "ai_models_champion_key": "select * from public.ai_models"
    " where model_name = 'model 7' and stage = 'champion'",
    # When a name was last queued; the versions that a DELETE on ai_models, and the jobs that one of
    # a worker's row looks for.
    "idx_jobs_model": "select max(queued_at) from retraining.jobs where model_name = 'model 7'",
    "idx_jobs_model_id": "select from retraining.jobs where model_id = 7",
    "idx_procrastinate_jobs_worker": "select from retraining.procrastinate_jobs"
    " where worker_id = 7",
}
ON_REPLICA = {
    "change_log_xid_idx": "select * from signal_marts.change_log where xid >= '9999'",
    "samples_taken_at_idx": "select * from signal_marts.samples"
    " where taken_at > timestamptz '2026-01-09'",
    # What the DELETE of a sample looks for.
    **{
        f"{table}_sample_id_idx": f"select from signal_marts.{table} where sample_id = -7"
        for table in ("observed_lock_waits", "observed_sessions", "observed_standbys")
    },
}

FILLED = """
set local session_replication_role = replica;
insert into public.ai_models (id, model_type, model_name, version, stage)
    select n, 'x', 'model ' || n % 500, n::text, case when n < 500 then 'champion' end
    from generate_series(1, 5000) as n;
insert into public.ai_model_stages (model_id, stage, since, reason)
    select n % 1000, 'shadow', timestamptz '2026-01-01' + n * interval '1 s', 'x'
    from generate_series(1, 5000) as n;
insert into public.ai_trading_signals (model_id, symbol, signal_type, confidence, pattern_id,
    trade_plan_id, status, expires_at, created_at)
    select n % 200, 'S' || n % 60, 'BUY', 0.5, n, n,
        case when n % 3 = 0 then 'ACTIVE' else 'EXPIRED' end,
        timestamptz '2026-01-01' + (n + 60) * interval '1 min',
        timestamptz '2026-01-01' + n * interval '1 min'
    from generate_series(1, 20000) as n;
insert into public.rl_training_episodes (model_id, episode_number, total_reward, episode_length)
    select n % 20, n, 1, 1 from generate_series(1, 10000) as n;
insert into public.genetic_generations
    (model_id, generation_number, best_fitness, average_fitness, best_individual)
    select n % 20, n, 1, 1, '{}' from generate_series(1, 10000) as n;
insert into public.spectrum_analysis
    (model_id, symbol, analysis_type, dominant_frequencies, analysis_data)
    select n % 100, 'S' || n % 200, 'fourier', '[]', jsonb_build_object('a', repeat('x', 300))
    from generate_series(1, 10000) as n;
insert into retraining.procrastinate_jobs (queue_name, task_name, status, worker_id)
    select 'q', 't', 'succeeded', case when n % 2 = 0 then n % 90 end
    from generate_series(1, 10000) as n;
insert into retraining.jobs (id, model_name, reason, queued_at, deadline, model_id)
    select n, 'model ' || n % 500, 'x', now(), now(), n from generate_series(1, 10000) as n;
"""
SAMPLED = """
truncate signal_marts.samples cascade;
insert into signal_marts.samples (id, taken_at, seconds) overriding system value
    select -n, timestamptz '2026-01-01' + n * interval '100 s', 0
    from generate_series(1, 8000) as n;
insert into signal_marts.observed_lock_waits
    (sample_id, side, waiting_pid, lock_type, mode, blocking_pid)
    select id, 'primary', 1, 'relation', 'AccessShareLock', 2 from signal_marts.samples;
insert into signal_marts.observed_sessions (sample_id, side, sessions)
    select id, 'primary', 1 from signal_marts.samples;
insert into signal_marts.observed_standbys (sample_id, side, kind)
    select id, 'primary', 'physical' from signal_marts.samples;
insert into signal_marts.change_log (table_name, key, xid)
    select 't', '{}', n::text::xid8 from generate_series(1, 10000) as n;
"""


@pytest.fixture(scope="module")
def filled(advised: Landscape) -> Landscape:
    """Tables of some size on both sides."""
    with advised.primary.connect() as connection:
        connection.execute(FILLED)
    with advised.replica.connect() as connection:
        connection.execute(SAMPLED)
        for table, relation in landing(connection).items():
            connection.execute(
                sql.SQL("insert into {} ({}) select {} from generate_series(1, 10000) as n").format(
                    sql.Identifier("public", table),
                    sql.SQL(", ").join(map(sql.Identifier, relation.key)),
                    sql.SQL(", ").join(
                        sql.SQL(OF_KEYS.get(relation.columns[name], "1000000 + n"))
                        for name in relation.key
                    ),
                )
            )
    for database in (advised.primary, advised.replica):
        with database.connect(autocommit=True) as connection:
            connection.execute("vacuum analyze")
    return advised


OF_KEYS = {
    "text": "n::text",
    "timestamp with time zone": "timestamptz '2020-01-01' + n * '1 min'::interval",
}


def landing(replica: Connection) -> dict[str, Relation]:
    """Landing tables that grow, all in the schema public; the fence's has a row."""
    return {
        name.removeprefix("public."): relation
        for name, relation in read_relations(replica, read_contract()).items()
        if name != "public.ai_replication_fence"
    }


def test_each_index_of_the_primary_helps(filled: Landscape) -> None:
    with filled.primary.connect() as connection:
        assert own_indexes(connection, "public", "retraining") == set(ON_PRIMARY)
        for name, query in ON_PRIMARY.items():
            schema = "retraining" if " retraining." in query else "public"
            assert_helps(connection, sql.Identifier(schema, name), query)


def test_each_index_of_the_replica_helps(filled: Landscape) -> None:
    with filled.replica.connect() as connection:
        assert own_indexes(connection, "signal_marts") == set(ON_REPLICA)
        for name, query in ON_REPLICA.items():
            assert_helps(connection, sql.Identifier("signal_marts", name), query)
        tables = landing(connection)
        assert own_indexes(connection, "public") == {
            f"{name}__xid_idx" for name in (*tables, "ai_replication_fence")
        }
        after = scalar(connection, "select pg_current_xact_id()::text")
        for name in tables:
            query = f"select * from public.{name} where _xid >= '{after}'"
            assert_helps(connection, sql.Identifier("public", f"{name}__xid_idx"), query)


def own_indexes(connection: Connection, *schemas: str) -> set[str]:
    """Indexes that uphold no constraint, but those of the platform and of libraries."""
    rows = connection.execute(
        "select c.relname::text from pg_index as i inner join pg_class as c on i.indexrelid = c.oid"
        " where c.relnamespace::regnamespace::text = any(%s)"
        " and not exists (select from pg_constraint as k"
        " where k.conindid = c.oid and k.contype in ('p', 'u'))"
        r" and c.relname !~ '^procrastinate_\w+_v1$' and c.relname <> all(%s)"
        # The stand-in for a platform has some of its own.
        r" and (c.relname !~ '^(micro|trade|trading)_' or c.relname ~ '__xid_idx$')",
        (
            list(schemas),
            ["idx_procrastinate_jobs_worker_not_null", "idx_procrastinate_workers_last_heartbeat"],
        ),
    )
    return {name for (name,) in rows}


def assert_helps(connection: Connection, index: sql.Identifier, query: str) -> None:
    """The plan reads by the index, and without it reads three times as many blocks at least."""
    with_it = plan(connection, query)
    assert f'"Index Name": {index.as_string().split(".")[1]}' in json.dumps(with_it), query
    with connection.transaction(force_rollback=True):
        connection.execute(sql.SQL("drop index {}").format(index))
        assert blocks(plan(connection, query)) >= 3 * blocks(with_it), query


def plan(connection: Connection, query: str) -> dict[str, Any]:
    statement = f"explain (analyze, buffers, timing off, format json) {query}"
    ((plans,),) = connection.execute(statement.encode()).fetchall()
    found: dict[str, Any] = plans[0]["Plan"]
    return found


def blocks(found: dict[str, Any]) -> int:
    return int(found["Shared Hit Blocks"] + found["Shared Read Blocks"])


def test_none_is_spare_and_none_is_missing(filled: Landscape) -> None:
    take(filled)
    found = filled.on_replica(
        "select side, schema_name, table_name, object_name, verdict from operations.index_usage"
        " where verdict in ('duplicate', 'overlapping', 'invalid', 'no_index')"
        f" and schema_name in {OWN}"
    )
    assert found == []
