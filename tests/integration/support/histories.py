"""Histories of a platform: random changes, builds and accidents, and checks after them."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

import children
from comparison import SCHEMAS, assert_lots_are_those_of_a_loop
from drills import (
    eventually,
    no_problem,
    plain_dbt,
    read_project,
    read_project_for_builds,
    running,
    wait,
    waits_for_lock,
)
from full_builds import FullBuild
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from landscapes import Landscape
from mortal_servers import kill_server, landscape_on
from psycopg import sql
from random_market import RandomMarket

from runner.build import builds, transform
from runner.build.rounds import Rounds
from runner.demo.embedded import EmbeddedPair
from runner.servers import role_logins
from runner.servers.database import Connection, ConnectionFailedError
from runner.servers.deploy_lock import LockedError
from runner.settings import PROJECT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbt.contracts.graph.manifest import Manifest

# A build takes some hundred times longer than a change, so many changes come between two of them.
_CHANGES_BETWEEN_BUILDS = 30
_BUILD_MODELS = ("build", "--exclude", "resource_type:test")

# The error of a model that would be built from parents of different builds.
_REFUSED = re.compile(r"\w+ needs .+, not built since what it reads changed")

seeds = st.integers(0, 2**32)


class Histories(RuleBasedStateMachine):
    """Random changes on the primary, and among them builds, partial ones, and accidents."""

    pair: EmbeddedPair
    projects: ClassVar[dict[str | None, Manifest]] = {}
    first_build: ClassVar[FullBuild] = FullBuild(of="first-landscape_on")
    full_build: ClassVar[FullBuild] = FullBuild(of="landscape_on")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="signal-marts-changes-"))
        with contextlib.ExitStack() as self.closing:
            self.closing.callback(shutil.rmtree, self.folder)
            self.landscape: Landscape = self.closing.enter_context(landscape_on(self.pair))
            self.landscape.deploy()
            self.connection = self._connect()
            # The creator closes it, unless the creation failed.
            self.closing = self.closing.pop_all()
        self.long: Connection | None = None
        self.changes = 0
        self.told: list[str] = []
        self.has_met_plain_dbt = False

    def _connect(self) -> Connection:
        connection = self.closing.enter_context(self.landscape.primary.connect(autocommit=True))
        # A row that the long transaction holds stays as it is.
        connection.execute("set lock_timeout = '20ms'")
        return connection

    def teardown(self) -> None:
        with self.closing:
            self.end_long_transaction(commit=True)
            self.compare()

    # --- changes ----------------------------------------------------------------------------

    @initialize(seed=seeds)
    def begin(self, seed: int) -> None:
        RandomMarket(self.connection, Random(seed)).begin()

    @rule(seed=seeds)
    def change(self, seed: int) -> None:
        RandomMarket(self.connection, Random(seed)).change()
        self.changes += 1

    @rule(seed=seeds, number=st.integers(2, 12), commit=st.booleans())
    def change_in_one_transaction(self, seed: int, number: int, commit: bool) -> None:
        market = RandomMarket(self.connection, Random(seed))
        with self.connection.transaction(force_rollback=not commit):
            for _ in range(number):
                market.change()
        self.changes += 1

    @precondition(lambda self: self.long is None)
    @rule(seed=seeds)
    def begin_long_transaction(self, seed: int) -> None:
        """So large that the replica begins to apply it before the commit is known."""
        self.long = self._connect()
        self.long.autocommit = False
        market = RandomMarket(self.long, Random(seed))
        for _ in range(10):
            market.change()
        self.long.execute(
            "insert into micro_patterns"
            " (symbol, timeframe, pattern_type, confidence, signal, created_at)"
            " select 'BTCUSD', '1h', repeat('x', 50), 0.5, 'BUY', '2025-03-02 12:00Z'"
            " from generate_series(1, 1000)"
        )
        self.changes += 1

    @precondition(lambda self: self.long is not None)
    @rule(commit=st.booleans())
    def end_long_transaction(self, commit: bool) -> None:
        if self.long is not None:
            (self.long.commit if commit else self.long.rollback)()
            self.long.close()
            self.long = None
            self.changes += 1

    # --- builds and accidents, some changes apart -------------------------------------------

    def _is_due(self) -> bool:
        return self.changes >= _CHANGES_BETWEEN_BUILDS

    @precondition(_is_due)
    @rule()
    def compare(self) -> None:
        """A quiet point: every table equals a full refresh in other schemas."""
        wait(self.landscape)
        if self.is_built():
            self.build_as_watch_does()
        else:
            self.build_first()
        differing = self.full_build.differing(
            self.landscape.replica, lambda: self.build(schema_prefix="full", full_refresh=True)
        )
        assert differing == {}
        assert_lots_are_those_of_a_loop(self.landscape)

    @precondition(_is_due)
    @rule(number=st.integers(1, 3), seed=seeds)
    def build_some(self, number: int, seed: int) -> None:
        """Some models with all models above them: no lost or sleeping session blocks them."""
        failures = self.build(select=Random(seed).sample(self.models(), number)).failures
        assert not failures, failures

    @precondition(lambda self: self._is_due() and not self.has_met_plain_dbt)
    @rule(number=st.integers(1, 3), seed=seeds)
    def build_beside_plain_dbt(self, number: int, seed: int) -> None:
        """One build after another while dbt alone, of another process, builds some models.

        Once in a history: starting that process takes longer than ten builds.
        """
        self.has_met_plain_dbt = True
        some = Random(seed).sample(self.models(), number)
        with children.Popen(
            plain_dbt(self.parsed("plain"), "--select", *(f"+{model}+" for model in some)),
            cwd=PROJECT,
            env=os.environ | self.landscape.replica.environment(),
            stdout=subprocess.PIPE,
            text=True,
        ) as plain:
            while plain.poll() is None:
                failures = self.build().failures
                assert all(_REFUSED.search(failure.message) for failure in failures), failures
            # A table may come first from one build and then from the other; and models below these
            # may read others that are outdated.
            told, _ = plain.communicate()
            absent = re.findall(r'relation ".+" (?:does not exist|already exists)', told)
            assert plain.returncode in (0, 1), told
            assert told.count("Failure in model") == len(absent) + len(_REFUSED.findall(told)), told

    @precondition(_is_due)
    @rule()
    def build_all(self) -> None:
        assert not self.build().failures

    def build_first(self) -> None:
        """Build all models where none was, as dbt did it once in this run of the tests."""
        self.changes = 0
        self.first_build.build(self.landscape.replica, self.build)

    @precondition(lambda self: self._is_due() and self.is_built())
    @rule()
    def build_as_watch_does(self) -> None:
        """By the statements that dbt kept, and the remaining models by dbt."""
        self.changes = 0
        replica = self.landscape.replica
        builder = role_logins.as_role(replica, "transformer")
        with contextlib.ExitStack() as stack:
            eventually(lambda: self._lock(stack))
            moment = stack.enter_context(builds.frozen(replica, timeout=60))["SIGNAL_MARTS_MOMENT"]
            book = stack.enter_context(builder.connect(autocommit=True))
            rounds = stack.enter_context(Rounds(builder, self.project()))
            built, left = rounds.build(self.models(), moment=moment, book=book)
        assert not built.failures, built.failures
        if left:
            assert not self.build(select=left).failures

    @precondition(_is_due)
    @rule(seed=seeds)
    def fail_at_a_model(self, seed: int) -> None:
        """A model cannot write, and the models below are skipped."""
        self.changes = 0
        if (table := self._table(seed)) is not None:
            self._on_replica("alter table {} add constraint never check (false) not valid", table)
            self.build()
            self._on_replica("alter table if exists {} drop constraint if exists never", table)

    @precondition(_is_due)
    @rule(seed=seeds)
    def lose_a_table(self, seed: int) -> None:
        self.changes = 0
        if (table := self._table(seed)) is not None:
            self._on_replica("drop table {} cascade", table)

    @precondition(_is_due)
    @rule(seed=seeds, at_server=st.booleans())
    def kill_in_a_build(self, seed: int, at_server: bool) -> None:
        """The runner, or the replica's server under it, while a model is being built."""
        self.changes = 0
        table = self._table(seed)
        if table is None:
            return
        with (
            self.landscape.replica.connect() as blocker,
            running(
                self.landscape, *_BUILD_MODELS, target=self.parsed_for_builds("killed")
            ) as runner,
        ):
            blocker.execute(sql.SQL("lock table {}").format(sql.Identifier(*table)))
            eventually(lambda: runner.ended() or waits_for_lock(blocker, "%"), seconds=600)
            if at_server:
                kill_server(self.pair.replica)
            elif not runner.ended():
                runner.kill()
            blocker.close()
        self.pair.up()
        eventually(self._is_replica_up)

    @precondition(_is_due)
    @rule()
    def resync(self) -> None:
        self.changes = 0
        self.end_long_transaction(commit=True)
        wait(self.landscape)
        self.landscape.deploy(resync=())
        no_problem(self.landscape)

    # --- what they are made of --------------------------------------------------------------

    def build(self, **options: Any) -> transform.Build:
        self.changes = 0
        with contextlib.ExitStack() as stack:
            eventually(lambda: self._lock(stack))
            environment = stack.enter_context(builds.frozen(self.landscape.replica, timeout=60))
            return transform.build(
                {**environment, "SIGNAL_MARTS_KEEP_STATEMENTS": "1"},
                advance=lambda done, total, at: None,
                target=self.folder,
                tests=False,
                project=self.project(options.get("schema_prefix")),
                widen=builds.closed_upward(self.landscape.replica, self.told.append),
                **options,
            )

    def project(self, schema_prefix: str | None = None) -> Manifest:
        """Read once for all histories: reading takes longer than most builds.

        The result names the models' database: it has the same name in each history.
        """
        if schema_prefix not in self.projects:
            replica = self.landscape.replica
            if schema_prefix is None:
                read_project(replica, self.folder)
            self.projects[schema_prefix] = transform.parse(
                replica.environment(), target=self.folder, schema_prefix=schema_prefix
            )
        return self.projects[schema_prefix]

    def parsed(self, name: str) -> Path:
        """A new output folder for a dbt of another process, which finds the project read in it."""
        folder = self.folder / name
        read_project(self.landscape.replica, folder)
        return folder

    def parsed_for_builds(self, name: str) -> Path:
        """The same for a build of the runner's."""
        folder = self.folder / name
        read_project_for_builds(self.landscape.replica, folder)
        return folder

    def _lock(self, stack: contextlib.ExitStack) -> bool:
        """Take the lock of builds; false while the server has not missed a killed runner."""
        try:
            stack.enter_context(builds.one_build(self.landscape.replica, "build"))
        except LockedError:
            return False
        return True

    def is_built(self) -> bool:
        """Whether dbt, or an earlier step of the history, has built a model here."""
        found = self.landscape.on_replica("select to_regclass('changes.relations') is not null")
        return found == [(True,)]

    def models(self) -> list[str]:
        return sorted(path.stem for path in (PROJECT / "models").rglob("*.sql"))

    def _table(self, seed: int) -> tuple[str, str] | None:
        """Some model's table."""
        with self.landscape.replica.connect() as replica:
            tables = replica.execute(
                "select schemaname, tablename from pg_tables where schemaname = any(%s)"
                " and tablename <> 'ensemble_publications' order by 1, 2",
                (list(SCHEMAS),),
            ).fetchall()
        return Random(seed).choice(tables) if tables else None

    def _on_replica(self, statement: str, table: tuple[str, str]) -> None:
        with self.landscape.replica.connect() as replica:
            replica.execute(sql.SQL(statement).format(sql.Identifier(*table)))

    def _is_replica_up(self) -> bool:
        try:
            with self.landscape.replica.connect():
                return True
        except ConnectionFailedError:
            return False


def build(history: Histories, *select: str, exclude: Sequence[str] = ()) -> None:
    """Build all models or some, from all changes so far."""
    wait(history.landscape)
    if not (select or exclude or history.is_built()):
        history.build_first()
        return
    assert not history.build(select=select, exclude=exclude).failures


def place_order(
    history: Histories, plan: int | None, side: str, price: int, at: str, filled_at: str
) -> None:
    history.connection.execute(
        """
        insert into trading_orders
            (client_order_id, trade_plan_id, side, filled_price, created_at, filled_at, symbol,
            order_type, status, quantity, filled_quantity, created_by)
        values (gen_random_uuid(), %s, %s, %s, %s, %s, 'BTCUSD', 'market', 'FILLED', 1, 1, 'test')
        """,
        (plan, side, price, at, filled_at),
    )


def plain_build(
    history: Histories,
    connection: Connection,
    model: str,
    *options: str,
    number: int = 1,
    project: Path = PROJECT,
) -> subprocess.Popen[bytes]:
    """A build of a model by dbt alone, in a process of its own, that ended or waits for another.

    It is the ``number``-th of this model that waits.
    """
    process = children.Popen(
        plain_dbt(history.parsed(f"{model}-{number}"), "--select", model, *options),
        cwd=project,
        env=os.environ | history.landscape.replica.environment(),
        stdout=subprocess.DEVNULL,
    )
    history.closing.callback(process.wait)
    history.closing.callback(process.kill)
    node = f'"model.signal_marts.{model}"'  # in the comment that dbt begins each statement with
    eventually(
        lambda: process.poll() is not None or waits_for_lock(connection, node, sessions=number),
        seconds=120,
    )
    return process
