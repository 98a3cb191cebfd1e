"""Session settings of a server, a database or a login do not change the runner's work."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
from comparison import SCHEMAS
from landscapes import Landscape
from psycopg import sql

from runner.doctor import examine
from runner.doctor.status import status
from runner.servers.database import Database

HOSTILE = {
    "search_path": ("nowhere",),
    "client_encoding": ("SQL_ASCII", "LATIN1"),
    "timezone": ("Pacific/Kiritimati", "America/St_Johns"),
    "datestyle": ("SQL, DMY", "German, DMY", "Postgres, MDY"),
    "intervalstyle": ("sql_standard", "iso_8601"),
    "bytea_output": ("escape",),
    "extra_float_digits": ("-15", "3"),
    "standard_conforming_strings": ("off",),
    "array_nulls": ("off",),
    "transform_null_equals": ("on",),
    "quote_all_identifiers": ("on",),
    "xmloption": ("document",),
    "row_security": ("off",),
    "check_function_bodies": ("off",),
    "default_transaction_deferrable": ("on",),
    "idle_in_transaction_session_timeout": ("5",),
    "idle_session_timeout": ("5",),
    "statement_timeout": ("2",),
    "role": ("pg_read_all_stats",),
    "default_transaction_read_only": ("on",),
    "default_transaction_isolation": ("serializable", "repeatable read"),
    "lock_timeout": ("1",),
    "transaction_timeout": ("100",),
}
# Of the sessions that apply rows, which are the server's own. The doctor finds them there.
APPLYING = (
    *("role", "lock_timeout", "transaction_timeout"),
    *("default_transaction_read_only", "default_transaction_isolation"),
)
SENDING = (
    *("role", "statement_timeout", "lock_timeout", "transaction_timeout"),
    *("idle_in_transaction_session_timeout", "idle_session_timeout"),
)


def set_default(landscape: Landscape, side: str, name: str, value: str, *, of: str = "") -> None:
    """Of the side's database, or of a login in it."""
    database = getattr(landscape, side).parameters()["dbname"]
    who = sql.SQL("role {} in ").format(sql.Identifier(of)) if of else sql.SQL("")
    with getattr(landscape, side).connect(autocommit=True) as connection:
        if name == "transaction_timeout" and connection.info.server_version < 170000:
            return
        given = [sql.Literal(part.strip()) for part in value.split(",")]
        connection.execute(
            sql.SQL("alter {}database {} set {} = {}").format(
                who, sql.Identifier(database), sql.Identifier(name), sql.SQL(", ").join(given)
            )
        )


def be_hostile(landscape: Landscape, random: Random) -> None:
    for side in ("primary", "replica"):
        for name, values in HOSTILE.items():
            if random.random() < 0.8 and (side, name) not in {("replica", n) for n in APPLYING}:
                login = random.choice(["", "postgres"])
                set_default(landscape, side, name, random.choice(values), of=login)


def marts(landscape: Landscape, target: Path) -> dict[str, Any]:
    """Deploy and build a part; return its rows and the status."""
    landscape.deploy()
    # How times, intervals, floats and bytes are written and read.
    landscape.on_primary(
        """
        insert into ai_models (model_type, model_name, version, created_at, updated_at)
        values ('genetic_optimization', 'müde €', '1', '2025-02-01Z', '2025-02-01Z');
        update ai_model_stages set created_at = since;

        insert into ai_trading_signals
            (model_id, symbol, signal_type, confidence, created_at, updated_at, expires_at,
            stored_at, stored_by)
        select id, 'BTC/USD', 'BUY', 1 / 3::float8, at.created_at, '2025-02-02Z', '2199-12-31Z',
            at.created_at, 'dqn'
        from ai_models
        cross join (select timestamptz '2025-02-03 04:05:06.789012+00' as created_at) as at
        """
    )
    built = landscape.build(target, "+trades", "+signal_confluence", tests=True)
    assert built.failures == ()
    found = status(landscape.primary, landscape.replica)
    with landscape.replica.connect() as replica:
        tables = replica.execute(
            "select schemaname, tablename from pg_tables where schemaname = any(%s)",
            (list(SCHEMAS),),
        ).fetchall()
        rows = {
            table: replica.execute(
                sql.SQL(
                    "select count(*), md5(string_agg(t::text, '|' order by t::text)) from {} as t"
                ).format(sql.Identifier(schema, table))
            ).fetchone()
            for schema, table in tables
        }
    return {**rows, "problems": found.problems, "built": len(built.nodes)}


@pytest.mark.timeout(600)
def test_defaults_of_sessions_never_matter(
    landscape: Landscape, one_server: Landscape, tmp_path: Path
) -> None:
    plain = marts(landscape, tmp_path / "plain")
    assert all("marts that are not there" in problem for problem in plain["problems"])
    be_hostile(one_server, Random(1))
    assert marts(one_server, tmp_path / "hostile") == plain


def test_sessions_notice_a_server_that_vanishes(landscape: Landscape) -> None:
    patient = Database("primary", f"{landscape.primary.url}?tcp_user_timeout=60000")
    for database, timeout in ((landscape.primary, "30000"), (patient, "60000")):
        with database.connect() as session:
            given = session.info.get_parameters()
        assert (given["keepalives_idle"], given["tcp_user_timeout"]) == ("10", timeout)


def test_the_doctor_finds_what_replication_meets(landscape: Landscape) -> None:
    landscape.deploy()
    assert limits(landscape) == {("both", "no limit")}
    sender = f"signal_marts_{landscape.replica.parameters()['dbname']}"
    for name in SENDING:
        set_default(landscape, "primary", name, HOSTILE[name][0])
    assert limits(landscape) == {("both", "no limit")}, "our login has its own"
    for name in SENDING:
        set_default(landscape, "primary", name, HOSTILE[name][0], of=sender)
    for name in APPLYING:
        set_default(landscape, "replica", name, HOSTILE[name][0])
    expected = {("primary", name) for name in SENDING} | {("replica", name) for name in APPLYING}
    since_17 = {(side, "transaction_timeout") for side in ("primary", "replica")}
    assert expected - since_17 <= limits(landscape) <= expected
    for side, login, names in (("primary", sender, SENDING), ("replica", "postgres", APPLYING)):
        for name in names:
            harmless = {
                "role": "none",
                "default_transaction_read_only": "off",
                "default_transaction_isolation": "read committed",
            }
            set_default(landscape, side, name, harmless.get(name, "0"), of=login)
    assert limits(landscape) == {("both", "no limit")}


def limits(landscape: Landscape) -> set[tuple[str, str]]:
    found = examine(landscape.primary, landscape.replica)
    return {
        (each.side, each.text.partition(" = " if each.level == "wrong" else " is")[0])
        for each in found
        if each.check == "defaults"
    }
