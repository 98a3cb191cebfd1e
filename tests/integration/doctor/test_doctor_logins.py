"""The doctor with a login that may not do, or see, everything."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest
from doctor_visits import PASSWORD, amiss, look
from landscapes import VERSION, Landscape
from psycopg import sql

from runner.doctor import Finding
from runner.doctor.checks import lock_finding
from runner.doctor.replication import base_backups_finding, route_finding
from runner.doctor.servers import (
    RETAINED_BYTES,
    clock_finding,
    encryption_finding,
    room_finding,
    slot_finding,
    version_finding,
    wal_level_finding,
)
from runner.servers.database import Database

# --- logins that may not ----------------------------------------------------------------------


@pytest.fixture
def limited(landscape: Landscape) -> Iterator[Landscape]:
    """The landscape through logins that may do nothing but connect."""
    name = "doctor_test_login"
    databases = (landscape.primary, landscape.replica)
    for database in databases:
        with database.connect() as connection:
            connection.execute(
                sql.SQL("create role {} login password {}").format(
                    sql.Identifier(name), sql.Literal(PASSWORD)
                )
            )
    urls = [
        psycopg.conninfo.make_conninfo(database.url, user=name, password=PASSWORD)
        for database in databases
    ]
    yield Landscape(Database("primary", urls[0]), Database("replica", urls[1]))
    for database in reversed(databases):
        with database.connect() as connection:
            connection.execute(f"reassign owned by {name} to current_user")
            connection.execute(f"drop owned by {name}")
            connection.execute(f"drop role {name}")


def test_what_a_limited_login_may_not_do_can_be_mended_by_pasting(
    landscape: Landscape, limited: Landscape
) -> None:
    findings = look(limited)
    found = amiss(findings, "wrong")
    assert {(each.check, each.side) for each in found} == {
        ("privileges", "primary"),
        ("privileges", "replica"),
        ("replicator", "primary"),
    }
    texts = "\n".join(each.text for each in found)
    for expected in (
        "may not make the replication slot",
        "does not own public.micro_patterns",
        "may not let a foreign key point at public.trade_plans",
        "may not create a publication",
        "may not create the AI tables",
        "may not create a subscription",
        "may not create landing tables in schema public",
        "may not make a login with REPLICATION",
    ):
        assert expected in texts
    assert PASSWORD not in json.dumps([dataclasses.asdict(each) for each in findings])
    # The second look finds what only shows once the first faults are mended.
    for _ in range(2):
        for each in amiss(look(limited)):
            statement = each.mend.rpartition("or: ")[2]
            if each.check == "replicator" and VERSION < 16:
                # There, no login but a superuser can.
                statement = "alter role doctor_test_login superuser"
            landscape.execute(each.side, statement)
    assert amiss(look(limited)) == []
    # What the doctor calls well, a deploy can do.
    assert limited.deploy()
    assert amiss(look(limited)) == []


def test_what_a_limited_login_cannot_see_is_unknown(
    landscape: Landscape, limited: Landscape
) -> None:
    landscape.deploy()
    findings = look(limited)
    unknown = {(each.check, each.side) for each in amiss(findings, "unknown")}
    assert ("migrations", "primary") in unknown
    assert ("transactions", "primary") in unknown
    assert "may not keep yoyo's books" in "\n".join(each.text for each in findings)


# --- what the shared pair cannot show ---------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "level", "mend"),
    [
        (version_finding(14), "wrong", "upgrade the server"),
        (version_finding(15), "ok", ""),
        (version_finding(19), "warning", "upgrade signal-marts"),
        (wal_level_finding("replica"), "wrong", "alter system set wal_level = 'logical';"),
        (
            room_finding("s", used=9, total=10, needed=1, wanted=3, why=""),
            "warning",
            "alter system set s = 12;",
        ),
        (
            room_finding("s", used=10, total=10, needed=1, wanted=3, why=""),
            "wrong",
            "alter system set s = 13;",
        ),
        (
            encryption_finding("replica", is_local=False, is_encrypted=False, mode="prefer"),
            "warning",
            "sslmode=verify-full&sslrootcert=system to REPLICA_URL",
        ),
        (
            encryption_finding("replica", is_local=False, is_encrypted=True, mode="require"),
            "ok",
            "nobody can pose as the server",
        ),
        (
            encryption_finding("replica", is_local=False, is_encrypted=True, mode="verify-full"),
            "ok",
            "",
        ),
        (encryption_finding("replica", is_local=True, is_encrypted=False, mode=""), "ok", ""),
        (clock_finding("primary", "this machine", -1.5, 0.1), "warning", "NTP"),
        (clock_finding("primary", "this machine", 1.5, 0.6), "ok", ""),
        (slot_finding("it's", "d", "extended", RETAINED_BYTES + 1), "warning", "slot('it''s');"),
        (slot_finding("lost", "d", "lost", None), "ok", "pg_drop_replication_slot('lost');"),
        (
            route_finding(primary_is_local=True, replica_is_local=False, is_given=False),
            "wrong",
            "set REPLICATION_URL",
        ),
        (route_finding(primary_is_local=True, replica_is_local=False, is_given=True), "ok", ""),
        (route_finding(primary_is_local=True, replica_is_local=True, is_given=False), "ok", ""),
        (
            base_backups_finding("me", [(3, "127.0.0.1", "trust"), (4, "10.0.0.0", "md5")]),
            "warning",
            'host replication "me" all reject',
        ),
        (
            base_backups_finding(
                "me", [(3, "local", "peer"), (4, "all", "reject"), (5, "all", "md5")]
            ),
            "ok",
            "",
        ),
        (lock_finding(-7, datetime.now(UTC), is_alive=True), "ok", ""),
        (lock_finding(-7, None, is_alive=False), "warning", "yoyo_lock where pid = -7;"),
    ],
)
def test_levels_and_mends(found: Finding, level: str, mend: str) -> None:
    assert found.level == level
    assert mend in found.mend
    assert bool(found.mend) or level == "ok"
