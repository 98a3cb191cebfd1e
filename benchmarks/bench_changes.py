"""The cost of a build from changes against a full build, and its growth with the history.

Two replicas are filled in the same run, one with ten times the history of the other (or --times),
and built in full. Then both get the same delta of new and changed rows, a hundredth of the smaller
history, and are built from changes by a round of a watch. A second round on the same session is
measured, since a watch's sessions have their tables' metadata in memory. SQL seconds are the
server's working time for the database's sessions (pg_stat_database.active_time), one session at a
time; pages are those that it read, from its buffers or outside, regardless of other work on the
machine. The cheapest model shows the fixed cost of a model.

Beside it, on the smaller history, the alternative without change capture: every mart's hand-written
SQL as a materialized view, refreshed. A refresh that takes longer than half a minute is cancelled.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from bench_scale import PATIENCE_SECONDS, hand_written
from psycopg import sql
from scale import FULL, SMALL, Size, add_delta, add_history, deployed_replica, servers

from runner.build import builds, transform
from runner.build.rounds import Rounds
from runner.servers import role_logins
from runner.servers.database import Database

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

_SHARE = 0.01
_IDLE_SECONDS = 11  # within ten, an idle session adds its work to the statistics


@dataclass(frozen=True)
class Cost:
    """Seconds of the server's work and of the wall clock, pages looked at, and seconds by model."""

    sql: float
    wall: float
    pages: int
    models: Mapping[str, float]


def main(arguments: Sequence[str] | None = None) -> None:
    """Fill, build, change, build again, and print the ratios."""
    size, times = _size(arguments)
    target = Path(tempfile.mkdtemp(prefix="signal-marts-bench-"))
    try:
        with servers() as pair:
            full, changes = [], []
            for factor in (1, times):
                replica = deployed_replica(pair, f"changes_{factor}")
                add_history(replica, size.times(factor))
                project = transform.parse(replica.environment(), target=target)
                full.append(in_full(replica, project, target))
                changes.append(from_changes(replica, project, size))
                if factor == 1:
                    refreshed = refresh(replica)
            _print(size, times, full, changes, refreshed)
            _print_branches(
                [
                    node.name
                    for node in project.nodes.values()
                    if "is_from_changes()" in getattr(node, "raw_code", "")
                ],
                full[1],
                changes[1],
            )
    finally:
        shutil.rmtree(target)


def in_full(replica: Database, project: Manifest, target: Path) -> Cost:
    """Build all models by dbt without tests, one at a time."""
    return _cost(
        replica,
        lambda environment: transform.build(
            {**environment, "DBT_THREADS": "1", "SIGNAL_MARTS_KEEP_STATEMENTS": "1"},
            advance=lambda done, total, at: None,
            target=target,
            tests=False,
            project=project,
        ),
    )


def from_changes(replica: Database, project: Manifest, size: Size) -> Cost:
    """Two rounds of all models, one at a time, each after a delta: the second's cost."""
    builder = role_logins.as_role(replica, "transformer")
    names = [node.name for id_, node in project.nodes.items() if id_.startswith("model.")]
    with (
        builder.connect(autocommit=True) as book,
        Rounds(builder, project, sessions=1) as rounds,
    ):

        def build(environment: Mapping[str, str]) -> transform.Build:
            moment = environment["SIGNAL_MARTS_MOMENT"]
            result, left = rounds.build(names, moment=moment, book=book)
            if left:
                raise SystemExit(f"to be built in full: {', '.join(left)}")
            return result

        for seed in (2, 3):
            add_delta(replica, size.times(_SHARE), seed=seed)
            cost = _cost(replica, build)
    return cost


def _cost(replica: Database, build: Callable[[Mapping[str, str]], transform.Build]) -> Cost:
    seconds, pages = _work(replica)
    with builds.frozen(replica, timeout=60) as environment:
        start = time.perf_counter()
        result = build(environment)
        wall = time.perf_counter() - start
    if result.failures:
        raise SystemExit("\n".join(f"{node.name}: {node.message}" for node in result.failures))
    seconds_after, pages_after = _work(replica)
    models = {node.name: node.seconds for node in result.nodes if node.kind == "model"}
    return Cost(seconds_after - seconds, wall, pages_after - pages, models)


def refresh(replica: Database) -> tuple[float, int]:
    """Seconds to refresh a materialized view of each hand-written mart; how many were cancelled."""
    given_up = 0
    with replica.connect(autocommit=True) as connection:
        for mart, statement in hand_written().items():
            view = sql.Identifier("public", f"view_{mart}")
            connection.execute(
                sql.SQL("create materialized view {} as ").format(view).as_bytes(connection)
                + statement.encode()
                + b" with no data"
            )
        connection.execute(
            sql.SQL("set statement_timeout = {}").format(f"{PATIENCE_SECONDS}s"),
        )
        start = time.perf_counter()
        for mart in hand_written():
            try:
                connection.execute(
                    sql.SQL("refresh materialized view {}").format(
                        sql.Identifier("public", f"view_{mart}")
                    )
                )
            except psycopg.errors.QueryCanceled:
                given_up += 1
        return time.perf_counter() - start, given_up


def _work(replica: Database) -> tuple[float, int]:
    """Seconds that the database's sessions worked so far, and pages that they looked at."""
    time.sleep(_IDLE_SECONDS)
    with replica.connect(autocommit=True) as connection:
        connection.execute("select pg_stat_force_next_flush()")
        row = connection.execute(
            "select active_time / 1000, blks_hit + blks_read from pg_stat_database"
            " where datname = current_database()"
        ).fetchone()
        assert row
        return row


def _size(arguments: Sequence[str] | None) -> tuple[Size, int]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a quick try")
    parser.add_argument("--full", action="store_true", help="1 million signals and more")
    parser.add_argument("--times", type=int, default=10, help="of the larger history")
    chosen = parser.parse_args(arguments)
    size = SMALL if chosen.small else FULL if chosen.full else FULL.times(0.1)
    return size, chosen.times


def _print(
    size: Size,
    times: int,
    full: list[Cost],
    changes: list[Cost],
    refreshed: tuple[float, int],
) -> None:
    (full_once, full_larger), (once, larger) = full, changes
    print(f"builds of {len(once.models)} models, one at a time, seconds")
    print(f"  {'':44}{'SQL':>10}{'wall':>10}{'pages':>14}")
    larger_size = size.times(times)
    for what, cost in (
        (f"in full, {size.signals:,} signals", full_once),
        ("from changes of 1% of them", once),
        (f"in full, {larger_size.signals:,} signals", full_larger),
        ("from changes of as many rows", larger),
    ):
        print(f"  {what:44}{cost.sql:10.2f}{cost.wall:10.2f}{cost.pages:14,}")
    seconds, given_up = refreshed
    note = f"   {given_up} given up after {PATIENCE_SECONDS} s each" if given_up else ""
    print(f"  {'materialized views refreshed':44}{'':10}{seconds:10.2f}{note}")
    for what, ratio, aim in (
        ("changes over full, SQL", once.sql / full_once.sql, "aim 0.02"),
        (f"changes at {times} times the history over once, SQL", larger.sql / once.sql, "aim 1.2"),
        (
            f"changes at {times} times the history over once, pages",
            larger.pages / once.pages,
            "aim 1.2",
        ),
        ("wall over SQL of a build from changes", once.wall / once.sql, "aim 1.15"),
        ("views refreshed over changes, wall", seconds / once.wall, "the more the better"),
    ):
        print(f"  {what:54}{ratio:10.3f} x ({aim})")
    cheapest = min(*once.models.values(), *larger.models.values())
    print(f"  the cheapest model: {1000 * cheapest:.1f} ms (aim 3 ms)")


def _print_branches(names: Collection[str], full: Cost, changes: Cost) -> None:
    """Savings of models that have SQL of their own for a build from changes."""
    print(f"  {'models with SQL of their own from changes':44}{'in full':>10}{'changes':>10}")
    for name in sorted(full.models.keys() & changes.models.keys() & set(names)):
        print(f"  {name:44}{full.models[name]:10.2f}{changes.models[name]:10.3f}")


if __name__ == "__main__":
    main()
