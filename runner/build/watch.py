"""Watch: build after build, as changes arrive, from a project that is parsed once."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import psycopg

from runner.build import builds, delivery, transform
from runner.build.books import changed_tables, last_changes
from runner.build.lineage import Lineage
from runner.build.rounds import Rounds
from runner.errors import SignalMartsError
from runner.replication import faults, fence, mapped, partitions
from runner.servers import role_logins
from runner.servers.contract import read_contract
from runner.servers.database import Connection, ConnectionFailedError, Database
from runner.servers.deploy_lock import LockedError
from runner.servers.planted import PlantedError
from runner.servers.sides import Sides, connected

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

# Seconds between tries while a server does not answer.
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0


@dataclass(frozen=True)
class Round:
    """One build of a watch.

    ``origins`` are the landing tables with changes that not all marts had followed, and the models
    that another build (a plain dbt) changed; None if everything was built: in the first round, and
    after a failed round. ``seconds`` runs from before the fence until all models were visible: a
    row committed before a round waited no longer than this in the round. ``is_complete`` is false
    if only live marts were built, and the other marts wait. ``rejected_rows`` has the number of
    unusable rows of each table with such rows.
    """

    number: int
    origins: tuple[str, ...] | None
    models: int
    is_tested: bool
    is_complete: bool
    failures: tuple[str, ...]
    seconds: float
    rejected_rows: Mapping[str, int]

    def __str__(self) -> str:
        changed = "everything" if self.origins is None else ", ".join(self.origins)
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

    ``interval`` is the least time between the beginnings of two rounds, ``test_interval`` the time
    between two rounds with tests (0: never), and ``fence_timeout`` the time that the replica may
    take to catch up, all in seconds. ``on_round`` is told of each round; ``on_trouble`` of each
    time that a server could not be used, or a model or a test failed; ``on_fresh`` of each moment
    at which marts, ``live`` or ``all``, held all rows that the primary had committed so many
    seconds before. With ``on_delivered``, decisions are delivered to the primary, and it is told of
    those that were: for each, the seconds since it was published; None if they have to wait.
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
    on_delivered: Callable[[list[float] | None], None] | None = None
    target: Path | None = None

    def run(self) -> None:
        """Watch until interrupted; raises LockedError where another build is at work at first.

        If a server goes away, or the replica does not catch up, the watch reports it and waits.
        """
        self._pause = _FIRST_PAUSE
        self._rounds_built = 0
        self._tested_at = time.monotonic()
        # Origins of changes that not all marts have followed, and the time when all last had.
        self._waiting: set[str] = set()
        self._rest_built_at = -math.inf
        # The build that last changed each model, at the last look; and the models built after that.
        self._seen: Mapping[str, str] = {}
        self._own_builds: set[str] = set()
        self._contract = read_contract()
        self._differing: set[str] = set()
        self._delivery: delivery.Delivery | None = None
        self._undelivered = ""
        project: Manifest | None = None
        while True:
            try:
                with (
                    builds.one_build(self.replica, "watch"),
                    connected(self.primary, self.replica) as sides,
                ):
                    if project is None and self.on_delivered is not None:
                        delivery.check(sides.on_primary)
                    project = project or transform.parse(
                        self.replica.environment(), target=self.target
                    )
                    self._follow(sides, project)
            except (
                ConnectionFailedError,
                LockedError,
                fence.FenceError,
                transform.BuildFailedError,
                psycopg.OperationalError,
            ) as error:
                # Later, the lock's holder may be our own lost session, which the server has not
                # noticed yet.
                if isinstance(error, LockedError) and project is None:
                    raise
                self.on_trouble(f"{_first_line(error)}; trying again in {self._pause:g} s")
            time.sleep(self._pause)
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def _follow(self, sides: Sides, project: Manifest) -> NoReturn:
        """Build round after round, until something raises."""
        mapped.check(sides.on_replica)
        lineage = Lineage(project)
        builder = role_logins.as_role(self.replica, "transformer")
        with (
            builder.connect(autocommit=True) as self._books,
            Rounds(builder, project) as self._rounds,
        ):
            if self.on_delivered is not None:
                self._delivery = delivery.Delivery(sides.on_primary, self._books)
            must_build_all = True
            while True:
                begun = time.monotonic()
                done = self._round(sides, project, lineage, must_build_all)
                if self._undelivered:
                    self._deliver()
                if done is not None:
                    self._rounds_built = done.number
                    must_build_all = bool(done.failures)
                    self.on_round(done)
                if not must_build_all:
                    self.on_fresh("live", time.monotonic() - begun)
                    if not self._waiting:
                        self.on_fresh("all", time.monotonic() - begun)
                self._pause = _FIRST_PAUSE
                time.sleep(max(0.0, begun + self.interval - time.monotonic()))

    def _round(
        self,
        sides: Sides,
        project: Manifest,
        lineage: Lineage,
        must_build_all: bool,
    ) -> Round | None:
        """Build the models below changes; None without changes, or if they may wait."""
        begun = time.monotonic()
        fence.wait(sides.on_primary, sides.on_replica, self._contract, timeout=self.fence_timeout)
        self._look_at_partitions(sides)
        is_tested = 0 < self.test_interval <= begun - self._tested_at
        builds_all = must_build_all or is_tested
        is_rest_due = begun - self._rest_built_at >= self.rest_interval
        must_look = builds_all or (bool(self._waiting) and is_rest_due)
        if not must_look and not self._origins(self._books, lineage)[0]:
            return None
        with builds.frozen(self.replica, timeout=self.fence_timeout) as environment:
            # Asked for after the moment was frozen: so no change before that moment is left out.
            origins, self._seen = self._origins(self._books, lineage)
            self._own_builds.clear()
            selections: list[list[str]] = [[]]
            if not builds_all:
                self._waiting.update(origins)
                selections = [lineage.live_below(origins)]
                if is_rest_due:
                    selections.append(lineage.rest_below(self._waiting))
            built: list[transform.Node] = []
            for select in selections:
                if not builds_all:
                    done, select = self._rounds.build(
                        select, moment=environment["SIGNAL_MARTS_MOMENT"], book=self._books
                    )
                    self._own_builds.add(done.id)
                    built += done.nodes
                if select or builds_all:
                    built += self._build(environment, project, select, tests=is_tested)
                self._deliver()
        if not built:
            return None
        for node in built:
            if node.is_failure:
                message = " ".join(node.message.split())
                self.on_trouble(f"{node.kind} {node.name}: {message}")
        told = None if builds_all else tuple(sorted(self._waiting))
        if builds_all or is_rest_due:
            self._waiting.clear()
            self._rest_built_at = time.monotonic()
        if is_tested:
            self._tested_at = begun
        return Round(
            number=self._rounds_built + 1,
            origins=told,
            models=sum(node.kind == "model" for node in built),
            is_tested=is_tested,
            is_complete=not self._waiting,
            failures=tuple(node.name for node in built if node.is_failure),
            seconds=time.monotonic() - begun,
            rejected_rows=builds.rejected_rows(self._books),
        )

    def _deliver(self) -> None:
        """Deliver the published decisions; what is in the way is told once, and tried again."""
        if self._delivery is None or self.on_delivered is None:
            return
        try:
            delivered = self._delivery.deliver()
        except (psycopg.Error, LockedError, PlantedError) as error:
            told = f"decisions wait to be delivered: {_first_line(error)}"
            if told != self._undelivered:
                self.on_trouble(told)
            self._undelivered = told
            self.on_delivered(None)
        else:
            self._undelivered = ""
            self.on_delivered(delivered)

    def _look_at_partitions(self, sides: Sides) -> None:
        """Tell, once, of tables whose rows came or went with a partition."""
        differing = partitions.look(
            sides.on_primary, sides.on_replica, self._contract, fence_timeout=self.fence_timeout
        )
        for name in sorted(differing - self._differing):
            self.on_trouble(str(faults.of_partitions(name)))
        self._differing = differing

    def _origins(self, replica: Connection, lineage: Lineage) -> tuple[Set[str], Mapping[str, str]]:
        """Origins of changes since the last look, and the build that last changed each model."""
        # In this order: a staging model that another build ends in between is in both.
        tables = changed_tables(replica)
        changed_by = last_changes(replica)
        others = {
            model
            for model in changed_by.keys() | self._seen.keys()
            if changed_by.get(model) not in (self._seen.get(model), *self._own_builds)
        }
        # The books may hold a model that this project does not have (any more).
        return lineage.names & {*tables, *others}, changed_by

    def _build(
        self, environment: Mapping[str, str], project: Manifest, select: list[str], *, tests: bool
    ) -> tuple[transform.Node, ...]:
        """Build these models, or all models if none is named."""
        result = transform.build(
            {**environment, "SIGNAL_MARTS_KEEP_STATEMENTS": "1"},
            advance=lambda done, total, at: None,
            select=select,
            target=self.target,
            tests=tests,
            project=project,
        )
        self._own_builds.add(result.id)
        return result.nodes


def _first_line(error: Exception) -> str:
    if isinstance(error, SignalMartsError):
        return str(error).splitlines()[0]
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
