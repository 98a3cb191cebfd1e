"""Shared steps of the failure drills: accidents at exact points, and checks after them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import children
from landscapes import PARSE, Landscape

from runner.build import builds, transform
from runner.doctor.status import status
from runner.replication import fence
from runner.servers.contract import read_contract
from runner.servers.database import Connection, Database
from runner.servers.sides import connected
from runner.settings import PROJECT

T = TypeVar("T")

_GATE = 20_26

_read: dict[str, bytes] = {}


def eventually(
    question: Callable[[], T], *, seconds: float = 60, what: str = "", instead: object = None
) -> T:
    """Ask until the answer is true; the deadline only ends a test that would hang."""
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < deadline, f"never: {what or question} {instead}"
        time.sleep(0.05)
    return answer


# --- what must hold ---------------------------------------------------------------------------


def wait(landscape: Landscape, *, timeout: float = 60) -> None:
    """The fence, as a build begins with it."""
    with connected(landscape.primary, landscape.replica) as sides:
        fence.wait(sides.on_primary, sides.on_replica, read_contract(), timeout=timeout)


def problems(landscape: Landscape) -> list[str]:
    """The problems that status reports, except the builds that the drills leave out."""
    found = status(landscape.primary, landscape.replica).problems
    left_out = ("nothing was built", "the last build", "marts that are not there")
    return [problem for problem in found if not problem.startswith(left_out)]


def told(landscape: Landscape, fragment: str) -> str:
    """The line of status with that fragment, as soon as it is there."""
    found: list[str] = []

    def line() -> str:
        found[:] = problems(landscape)
        return next((problem for problem in found if fragment in problem), "")

    return eventually(line, seconds=20, what=f"{fragment!r} in", instead=found)


def heal(landscape: Landscape) -> list[str]:
    """One plain deploy makes both sides equal, and later changes arrive."""
    changed = landscape.deploy()
    assert landscape.differences() == []
    trade(landscape)
    wait(landscape)
    assert landscape.differences() == []
    no_problem(landscape)
    assert not left_over_slots(landscape)
    return changed


def no_problem(landscape: Landscape) -> None:
    """Status reports no problem, as soon as the last copy is done."""
    found: list[str] = []

    def ask() -> bool:
        found[:] = problems(landscape)
        return not found

    eventually(ask, seconds=20, what="no problem, but", instead=found)


def left_over_slots(landscape: Landscape) -> list[tuple[object, ...]]:
    """Slots of the primary's database that no subscription needs."""
    return landscape.on_primary(
        "select slot_name from pg_replication_slots where database = current_database()"
        " and slot_name !~ '^signal_marts_'"
    )


def trade(landscape: Landscape) -> None:
    """Every kind of change, in the platform's tables and the AI tables."""
    landscape.on_primary(
        """
        insert into trading_stats (date, net_profit)
        select (select coalesce(max(date), '2026-01-01') from trading_stats) + n, n
        from generate_series(1, 4) as n;
        update trading_stats set net_profit = net_profit + 1 where id % 4 = 0;
        delete from trading_stats where id % 4 = 1;
        update trading_stats set id = -id where id % 4 = 2;
        insert into micro_patterns (symbol, timeframe, pattern_type, confidence, signal)
        select 'BTC', '1h', 'flag', 0.5, 'BUY' from generate_series(1, 3);
        update micro_patterns set confidence = confidence / 2 where id % 3 = 0;
        """
    )
    if landscape.on_primary("select to_regclass('public.ai_models')::text") != [(None,)]:
        landscape.on_primary(
            """
            insert into ai_models (model_type, model_name, version)
            select 'genetic_optimization', 'drill', (count(*) + 1)::text from ai_models;
            insert into ai_trading_signals (model_id, symbol, signal_type, confidence, pattern_id)
            select m.id, 'BTC', 'BUY', 0.5, p.id
            from (select max(id) as id from ai_models) as m,
                (select max(id) as id from micro_patterns) as p;
            update ai_models set is_active = not is_active;
            """
        )


def fill(landscape: Landscape, rows: int) -> None:
    """Many patterns, so that copying them takes a while."""
    landscape.on_primary(
        "insert into micro_patterns (symbol, timeframe, pattern_type, confidence, signal)"
        f" select 'ETH', '1h', 'wedge', 0.25, 'SELL' from generate_series(1, {rows})"
    )


# --- accidents --------------------------------------------------------------------------------


class Runner:
    """A command of the runner in a process of its own."""

    def __init__(self, landscape: Landscape, *arguments: str, target: Path | None = None) -> None:
        self._landscape = landscape
        self._session = f"signal-marts {arguments[0]}"
        self._process = children.Forked(
            *arguments,
            cwd=PROJECT,
            env=os.environ
            | {
                "PRIMARY_URL": landscape.primary.url,
                "REPLICA_URL": landscape.replica.url,
                "DBT_WRITE_JSON": "no",  # artifacts that nobody reads
            }
            | ({} if target is None else {"DBT_TARGET_PATH": str(target)}),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ended(self) -> bool:
        return self._process.poll() is not None

    def kill(self) -> None:
        """kill -9; the process must be at work. A server needs a moment to notice, and holds the
        dead process's lock until then."""
        self._process.kill()
        _, errors = self._process.communicate(timeout=60)
        assert self._process.returncode == -signal.SIGKILL, errors
        eventually(lambda: not self._holds_lock())

    def _holds_lock(self) -> bool:
        query = (
            "select 1 from pg_stat_activity where datname = current_database()"
            f" and application_name = '{self._session}'"
        )
        return bool(self._landscape.on_primary(query) or self._landscape.on_replica(query))

    def finish(self) -> tuple[int, str]:
        """Wait for its end; return the exit code and its stderr."""
        _, errors = self._process.communicate(timeout=120)
        return self._process.returncode, errors

    def close(self) -> None:
        if not self.ended():
            self._process.kill()
        self._process.communicate()


@contextlib.contextmanager
def running(landscape: Landscape, *arguments: str, target: Path | None = None) -> Iterator[Runner]:
    """A command in a process of its own, ended at the latest with the block.

    ``target`` is the folder that dbt writes to.
    """
    runner = Runner(landscape, *arguments, target=target)
    try:
        yield runner
    finally:
        runner.close()


def plain_dbt(target: Path, *options: str) -> list[str]:
    """The command of a ``dbt run`` without the runner, which writes to the folder ``target``.

    It names the profile's own target: else dbt would not take what was read as the runner's.
    """
    dbt = str(Path(sys.executable).with_name("dbt"))
    command = [dbt, "--no-write-json", "run", "--target", "prod", "--target-path", str(target)]
    return [*command, "--log-path", str(target), *options]


def read_project(replica: Database, target: Path) -> None:
    """Let a dbt that writes to the folder ``target`` find the project read in it.

    Reading takes longer than most builds. The result names the models' database, so the project is
    read once for each replica.
    """
    if replica.address not in _read:
        transform.parse(replica.environment(), target=target)
        _read[replica.address] = (target / PARSE).read_bytes()
    target.mkdir(exist_ok=True)
    (target / PARSE).write_bytes(_read[replica.address])


def read_project_for_builds(replica: Database, target: Path) -> None:
    """The same for a build of the runner's in another process, which has a login of its own."""
    target.mkdir(exist_ok=True)
    with builds.frozen(replica, timeout=60) as environment:
        transform.parse(environment, target=target)


@dataclass(frozen=True)
class Gate:
    """Where a command of a kind must wait, in one database."""

    keeper: Connection

    def holds(self) -> bool:
        """Whether a command stands here."""
        row = self.keeper.execute(
            "select count(*) from pg_locks where locktype = 'advisory' and not granted"
            " and objid = %s and database = ("
            " select oid from pg_database where datname = current_database())",
            (_GATE,),
        ).fetchone()
        return row != (0,)

    def let_others_pass(self) -> None:
        """Keep the command that stands here, and no other."""
        self.keeper.execute("alter event trigger drill disable")

    def open(self) -> None:
        """Let the command go on that stands here."""
        self.keeper.execute("select pg_advisory_unlock_all()")


@contextlib.contextmanager
def gate(landscape: Landscape, side: str, tag: str, identity: str | None = None) -> Iterator[Gate]:
    """Hold the next command of a kind: before it, or with ``identity`` at its end.

    The command goes on when the block ends, if its session still lives.
    """
    event = "ddl_command_start" if identity is None else "ddl_command_end"
    condition = (
        "true"
        if identity is None
        else "exists (select from pg_event_trigger_ddl_commands() where object_identity ="
        f" '{identity}')"
    )
    database = getattr(landscape, side)
    with database.connect(autocommit=True, application="drill") as keeper:
        keeper.execute("select pg_advisory_lock(%s)", (_GATE,))
        keeper.execute("create schema drill")
        keeper.execute(
            "create function drill.wait() returns event_trigger language plpgsql"
            " set lock_timeout = 0 as $$ begin"
            f" if {condition} then perform pg_advisory_xact_lock({_GATE}); end if; end $$"
        )
        keeper.execute(
            f"create event trigger drill on {event} when tag in ('{tag}')"
            " execute function drill.wait()"
        )
        try:
            yield Gate(keeper)
        finally:
            keeper.execute("select pg_advisory_unlock_all()")
            keeper.execute("set client_min_messages = error")
            keeper.execute("drop event trigger drill; drop schema drill cascade")


def kill_at(
    landscape: Landscape,
    arguments: tuple[str, ...],
    side: str,
    tag: str,
    identity: str | None = None,
) -> None:
    """Run a command and kill -9 it at a gate."""
    with (
        gate(landscape, side, tag, identity) as closed,
        running(landscape, *arguments) as runner,
    ):
        eventually(lambda: closed.holds() or runner.ended())
        runner.kill()


def waits_for_lock(connection: Connection, statement: str, *, sessions: int = 1) -> bool:
    """Whether so many sessions of this database wait for a lock with such a statement."""
    # Within a transaction the server would repeat the answer of the first look.
    connection.execute("select pg_stat_clear_snapshot()")
    row = connection.execute(
        "select count(*) >= %s from pg_stat_activity where datname = current_database()"
        " and wait_event_type = 'Lock' and query ilike %s and pid <> pg_backend_pid()",
        (sessions, f"%{statement}%"),
    ).fetchone()
    return row == (True,)
