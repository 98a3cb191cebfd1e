"""Watch: build after build, as changes arrive, from a project that is parsed once."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

from runner import builds, fence, transform
from runner.contract import read_contract
from runner.database import Connection, ConnectionFailedError, Database, scalar
from runner.deploy import connected
from runner.deploy_lock import LockedError
from runner.errors import SignalMartsError
from runner.sync import Sides
from runner.warm_connections import warm_connections

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

# Seconds between tries while a server does not answer.
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0


@dataclass(frozen=True)
class Round:
    """One build of a watch.

    ``tables`` are the landing tables with changes that not all marts had followed; None where
    everything was built: in the first round, and after one that failed. ``seconds`` runs from
    before the fence until all models were visible: what was committed before a round waited no
    longer than that in it. ``is_complete`` is false where live marts alone were built, and the
    others wait.
    """

    number: int
    tables: tuple[str, ...] | None
    models: int
    is_tested: bool
    is_complete: bool
    failures: tuple[str, ...]
    seconds: float

    def __str__(self) -> str:
        changed = "everything" if self.tables is None else ", ".join(self.tables)
        tested = " and tests" if self.is_tested else ""
        live = "" if self.is_complete else "live "
        text = (
            f"round {self.number}: {self.models} {live}models{tested}"
            f" in {self.seconds:.1f} s ({changed})"
        )
        return f"{text}; failed: {', '.join(self.failures)}" if self.failures else text


@dataclass
class Watch:
    """Builds models whenever rows have arrived, and all tests now and then.

    Live marts (those with dbt's tag ``live``, and what they need) come first in every round. The
    others follow in the same round, but no more often than every ``rest_interval``: while changes
    keep coming, the live ones are built alone in between. All of a round is of one moment.

    ``interval`` is the least time between the beginnings of two rounds, ``test_interval`` that
    between two rounds with tests (0: never), and ``fence_timeout`` how long the replica may take to
    catch up, all in seconds. ``on_round`` and ``on_trouble`` are told of each round, and of each
    time that a server could not be used; ``on_fresh`` of each moment at which marts, ``live`` or
    ``all``, held all that the primary had committed so many seconds before.
    """

    primary: Database
    replica: Database
    interval: float
    rest_interval: float
    test_interval: float
    fence_timeout: float
    on_round: Callable[[Round], None]
    on_trouble: Callable[[str], None]
    on_fresh: Callable[[str, float], None]
    target: Path | None = None

    def run(self) -> None:
        """Watch until interrupted; raises LockedError where another build is at work at first.

        A server that goes away, or a replica that does not catch up, is told and waited for.
        """
        pause = _FIRST_PAUSE
        rounds = 0
        self._tested_at = time.monotonic()
        # Landing tables whose changes not all marts have followed, and when all last had.
        self._waiting: set[str] = set()
        self._rest_built_at = -math.inf
        self._contract = read_contract()
        project: Manifest | None = None
        while True:
            try:
                with self._sides() as (sides, session), warm_connections():
                    project = project or transform.parse(
                        self.replica.environment(), target=self.target
                    )
                    must_build_all = True
                    while True:
                        begun = time.monotonic()
                        done = self._round(sides, session, project, rounds + 1, must_build_all)
                        if done is not None:
                            rounds += 1
                            must_build_all = bool(done.failures)
                            self.on_round(done)
                        if not must_build_all:
                            self.on_fresh("live", time.monotonic() - begun)
                            if not self._waiting:
                                self.on_fresh("all", time.monotonic() - begun)
                        pause = _FIRST_PAUSE
                        time.sleep(max(0.0, begun + self.interval - time.monotonic()))
            except (
                ConnectionFailedError,
                LockedError,
                fence.FenceError,
                transform.BuildFailedError,
                psycopg.OperationalError,
            ) as error:
                # Later, what holds the lock may be our own session that the server has not missed.
                if isinstance(error, LockedError) and project is None:
                    raise
                self.on_trouble(f"{_first_line(error)}; trying again in {pause:g} s")
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    @contextmanager
    def _sides(self) -> Iterator[tuple[Sides, Connection]]:
        with ExitStack() as stack:
            session = stack.enter_context(builds.one_build(self.replica, "watch"))
            yield stack.enter_context(connected(self.primary, self.replica)), session

    def _round(
        self,
        sides: Sides,
        session: Connection,
        project: Manifest,
        number: int,
        must_build_all: bool,
    ) -> Round | None:
        """Build what changed; None where nothing did, or what did may wait."""
        begun = time.monotonic()
        fence.wait(sides.on_primary, sides.on_replica, self._contract, timeout=self.fence_timeout)
        is_tested = 0 < self.test_interval <= begun - self._tested_at
        builds_all = must_build_all or is_tested
        is_rest_due = begun - self._rest_built_at >= self.rest_interval
        must_look = builds_all or (bool(self._waiting) and is_rest_due)
        if not must_look and changed_tables(sides.on_replica) == ():
            return None
        with builds.frozen(self.replica, session):
            # Asked for after the moment was frozen: nothing that is of it is left out.
            tables = None if builds_all else changed_tables(sides.on_replica)
            selections: list[list[str]] = [[]]
            if tables is not None:
                self._waiting.update(tables)
                live, rest = self._models(project, tables)
                selections = [live, rest] if is_rest_due else [live]
            built: list[transform.Node] = []
            for select in selections:
                if select or tables is None:
                    built += self._build(project, select, tests=is_tested)
        if not built:
            return None
        tables = tables and tuple(sorted(self._waiting))
        if tables is None or is_rest_due:
            self._waiting.clear()
            self._rest_built_at = time.monotonic()
        if is_tested:
            self._tested_at = begun
        return Round(
            number=number,
            tables=tables,
            models=sum(node.kind == "model" for node in built),
            is_tested=is_tested,
            is_complete=not self._waiting,
            failures=tuple(node.name for node in built if node.is_failure),
            seconds=time.monotonic() - begun,
        )

    def _models(self, project: Manifest, tables: tuple[str, ...]) -> tuple[list[str], list[str]]:
        """The live models to build for these tables, and all others for those that wait."""
        sources = {
            f"{source.schema}.{source.identifier}": id_ for id_, source in project.sources.items()
        }
        models = {id_: node for id_, node in project.nodes.items() if id_.startswith("model.")}
        parents = {id_: set(node.depends_on_nodes) for id_, node in models.items()}
        children: dict[str, set[str]] = {}
        for id_, above in parents.items():
            for parent in above:
                children.setdefault(parent, set()).add(id_)
        live = _reachable(parents, {id_ for id_, node in models.items() if "live" in node.tags})
        changed = _reachable(children, {sources[name] for name in tables}) & live
        waiting = _reachable(children, {sources[name] for name in self._waiting}) - live
        return (
            sorted(models[id_].name for id_ in changed & models.keys()),
            sorted(models[id_].name for id_ in waiting & models.keys()),
        )

    def _build(self, project: Manifest, select: list[str], *, tests: bool) -> list[transform.Node]:
        """Build these models, all where none is named."""
        result = transform.build(
            self.replica.environment(),
            advance=lambda done, total, at: None,
            select=select,
            target=self.target,
            tests=tests,
            project=project,
        )
        return list(result.nodes)


def _reachable(neighbours: dict[str, set[str]], starts: set[str]) -> set[str]:
    """The nodes that are reached from ``starts``, which are among them."""
    reached: set[str] = set()
    ahead = set(starts)
    while ahead:
        reached |= ahead
        ahead = set().union(*(neighbours.get(node, set()) for node in ahead)) - reached
    return reached


def changed_tables(replica: Connection) -> tuple[str, ...] | None:
    """Qualified names of the landing tables with changes that staging has not read.

    None where no model of staging was built yet.
    """
    if scalar(replica, "select to_regclass('changes.relations')") is None:
        return None
    cuts = replica.execute(
        "select landing_table, landing_cut::text from changes.relations"
        " where landing_table is not null"
    ).fetchall()
    if not cuts:
        return None
    query = sql.SQL(" union all ").join(
        sql.SQL(
            "select {name} where exists (select from {table} where _xid >= {cut}::xid8)"
            " or exists (select from signal_marts.change_log"
            " where table_name = {name} and xid >= {cut}::xid8)"
            " or exists (select from signal_marts.copies"
            " where table_name = {name} and xid >= {cut}::xid8)"
        ).format(
            name=sql.Literal(name),
            table=sql.Identifier(*name.split(".", 1)),
            cut=sql.Literal(cut),
        )
        for name, cut in cuts
    )
    return tuple(sorted(name for (name,) in replica.execute(query)))


def _first_line(error: Exception) -> str:
    if isinstance(error, SignalMartsError):
        return str(error).splitlines()[0]
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
