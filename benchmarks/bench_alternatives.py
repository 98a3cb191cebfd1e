"""The alternatives to change capture, on the same rows: their time and their exactness.

For each of three marts a replica is filled, and the mart is built by Signal Marts and by the
alternatives: its hand-written SQL (sql/) run into a table, a materialized view of it, the same SQL
in incremental models of plain dbt that look back three days (stock_dbt/), and of SQLMesh
(stock_sqlmesh/). Then the history grows by a hundredth, with changes of the newest rows; a few old
rows are changed, inserted or deleted (scale_late_changes.sql); and all are built again. A row is
wrong if it is missing, surplus, or differs from the hand-written SQL run at the end.

Projects are parsed before the clock starts, and built with all models that the mart depends on.
SQLMesh is left out where it is not installed (``make .venv/.sqlmesh``).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from bench_scale import HAND_WRITTEN, hand_written
from psycopg import sql
from scale import FOLDER, FULL, SMALL, Size, add_delta, add_history, deployed_replica, servers

from runner.build import transform
from runner.servers.database import Connection, Database, scalar

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

_SHARE = 0.01
_NUMBERS = ("numeric", "double precision")


@dataclass(frozen=True)
class Mart:
    """A mart that every alternative can express, and its key."""

    schema: str
    name: str
    key: str


@dataclass(frozen=True)
class Contender:
    """One way to keep a mart: its table, and a function that builds it and returns the seconds."""

    name: str
    table: tuple[str, str]
    build: Callable[[], float]


@dataclass(frozen=True)
class Result:
    """Seconds of the first build and of the next, and the rows that are wrong after it."""

    full: float
    again: float
    wrong: int


MARTS = (
    Mart("performance", "order_attribution", "order_id"),
    Mart("ensemble", "signal_confluence", "signal_id"),
    Mart("performance", "signal_outcomes", "signal_id"),
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Build every mart in every way, change the history, build again, and print a table a mart."""
    size, sqlmesh = _options(arguments)
    if sqlmesh is None:
        print("SQLMesh is left out: `make .venv/.sqlmesh` installs it")
    folder = Path(tempfile.mkdtemp(prefix="signal-marts-bench-"))
    try:
        write_projects(folder)
        with servers() as pair:
            for mart in MARTS:
                replica = deployed_replica(pair, f"alternatives_{mart.name}")
                add_history(replica, size)
                _print(mart, size, compare(replica, mart, size, folder, sqlmesh))
    finally:
        shutil.rmtree(folder)


def write_projects(folder: Path) -> None:
    """Copy the projects of dbt and SQLMesh, with the hand-written SQL where a model names it.

    Its inputs are models of their own, except for signal_confluence: there, one query that is
    narrowed as a whole is quicker for both.
    """
    for project, parent in (
        ("stock_dbt", "{{{{ ref('{}') }}}}"),
        ("stock_sqlmesh", "stock_sqlmesh.{}"),
    ):
        shutil.copytree(FOLDER / project, folder / project)
        models = sorted((folder / project / "models").glob("*.sql"))
        for path in models:
            by_hand = (
                hand_written()[path.stem]
                if path.stem == "signal_confluence"
                else (HAND_WRITTEN / path.name).read_text()
            )
            text = path.read_text().replace(f"{{{path.stem}}}", by_hand)
            for name in (each.stem for each in models):
                text = text.replace(f"{{{name}}}", f"select * from {parent.format(name)}")
            path.write_text(text)


def compare(
    replica: Database, mart: Mart, size: Size, folder: Path, sqlmesh: Path | None
) -> dict[str, Result]:
    """Build a mart in every way before and after the changes."""
    # dbt reads the database from the environment, and so does SQLMesh.
    os.environ.update(replica.environment())
    found = [
        signal_marts(replica, mart, folder),
        table(replica, mart),
        view(replica, mart),
        view(replica, mart, concurrently=True),
        stock_dbt(mart, folder),
    ]
    if sqlmesh:
        found.append(stock_sqlmesh(replica, mart, folder, sqlmesh))
    full = [each.build() for each in found]
    add_delta(replica, size.times(_SHARE))
    with replica.connect() as connection:
        connection.execute((FOLDER / "scale_late_changes.sql").read_bytes())
    again = [each.build() for each in found]
    with replica.connect() as connection:
        connection.execute(f"create temporary table truth as {hand_written()[mart.name]}".encode())
        wrong = [wrong_rows(connection, each.table, mart.key) for each in found]
    results = map(Result, full, again, wrong)
    return {each.name: result for each, result in zip(found, results, strict=True)}


def signal_marts(replica: Database, mart: Mart, folder: Path) -> Contender:
    """This project: the mart and all models that it depends on."""

    def build() -> float:
        environment, target = replica.environment(), folder / "target"
        project = transform.parse(environment, target=target)
        start = time.perf_counter()
        result = transform.build(
            environment,
            advance=lambda done, total, at: None,
            select=[f"+{mart.name}"],
            target=target,
            tests=False,
            project=project,
        )
        taken = time.perf_counter() - start
        if result.failures:
            raise SystemExit("\n".join(f"{node.name}: {node.message}" for node in result.failures))
        return taken

    return Contender("Signal Marts", (mart.schema, mart.name), build)


def table(replica: Database, mart: Mart) -> Contender:
    """The query, run again: reading a plain view of it costs the same."""

    def build() -> float:
        return _seconds(
            replica,
            "drop table if exists public.as_table",
            f"create table public.as_table as {hand_written()[mart.name]}",
        )

    return Contender("the query into a table", ("public", "as_table"), build)


def view(replica: Database, mart: Mart, *, concurrently: bool = False) -> Contender:
    """A materialized view of the query; concurrently: readers go on, unchanged rows stay."""
    name = "as_view_concurrently" if concurrently else "as_view"
    first = [f"create materialized view public.{name} as {hand_written()[mart.name]}"]
    if concurrently:
        first.append(f"create unique index on public.{name} ({mart.key})")
    refresh = f"refresh materialized view {'concurrently' if concurrently else ''} public.{name}"
    rounds = iter((first, [refresh]))
    return Contender(
        f"materialized view{', concurrently' if concurrently else ''}",
        ("public", name),
        lambda: _seconds(replica, *next(rounds)),
    )


def stock_dbt(mart: Mart, folder: Path) -> Contender:
    """Plain dbt, incremental models with a lookback."""
    from dbt.cli.main import dbtRunner

    project = str(folder / "stock_dbt")
    options = ["--project-dir", project, "--profiles-dir", project, "--quiet"]

    def build() -> float:
        parsed = cast("Manifest", dbtRunner().invoke(["parse", *options]).result)
        start = time.perf_counter()
        result = dbtRunner(manifest=parsed).invoke(["run", *options, "--select", f"+{mart.name}"])
        taken = time.perf_counter() - start
        if not result.success:
            raise SystemExit(f"dbt could not build {mart.name}: {result.exception or ''}")
        return taken

    return Contender("dbt, looking back", ("stock_dbt", mart.name), build)


def stock_sqlmesh(replica: Database, mart: Mart, folder: Path, python: Path) -> Contender:
    """SQLMesh, models incremental by time with a lookback."""

    def build() -> float:
        with replica.connect() as connection:
            ended_at = scalar(
                connection, "select max(opened_at) + interval '1 hour' from public.market_bars"
            )
        result = subprocess.run(
            [python, "build.py", f"stock_sqlmesh.{mart.name}", ended_at.isoformat()],
            cwd=folder / "stock_sqlmesh",
            env={**os.environ, "SQLMESH__DISABLE_ANONYMIZED_ANALYTICS": "1"},
            capture_output=True,
            text=True,
        )
        if result.returncode:
            raise SystemExit(
                f"SQLMesh could not build {mart.name}:\n{result.stdout}{result.stderr}"
            )
        return float(result.stdout.splitlines()[-1])

    return Contender("SQLMesh, looking back", ("stock_sqlmesh", mart.name), build)


def wrong_rows(connection: Connection, held: tuple[str, str], key: str) -> int:
    """How many rows of a table differ from those of ``truth``, or are in one of them only.

    Compared are the columns that both have. Numbers of different types may differ by rounding.
    """
    columns = connection.execute(
        """
        select truth.attname, format_type(truth.atttypid, null)
        from pg_attribute as truth
        inner join pg_attribute as held using (attname)
        where
            truth.attrelid = 'pg_temp.truth'::regclass and truth.attnum > 0
            and held.attrelid = %s::regclass and held.attnum > 0
        """,
        (".".join(held),),
    ).fetchall()
    differences = [
        sql.SQL(
            "(truth.{0} is distinct from held.{0} and coalesce("
            "abs(truth.{0}::double precision - held.{0}::double precision) > 1e-8, true))"
            if kind in _NUMBERS
            else "truth.{0} is distinct from held.{0}"
        ).format(sql.Identifier(name))
        for name, kind in columns
    ]
    statement = sql.SQL(
        "select count(*) from truth full join {held} as held using ({key}) where {different}"
    ).format(
        held=sql.Identifier(*held),
        key=sql.Identifier(key),
        different=sql.SQL(" or ").join(differences),
    )
    return int(scalar(connection, statement.as_string(connection)))


def _seconds(replica: Database, *statements: str) -> float:
    with replica.connect(autocommit=True) as connection:
        start = time.perf_counter()
        for statement in statements:
            connection.execute(statement.encode())
        return time.perf_counter() - start


def _options(arguments: Sequence[str] | None) -> tuple[Size, Path | None]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a quick try")
    parser.add_argument("--full", action="store_true", help="1 million signals")
    parser.add_argument(
        "--sqlmesh",
        type=Path,
        default=Path(sys.prefix) / "sqlmesh",
        help="the environment that SQLMesh is installed in",
    )
    chosen = parser.parse_args(arguments)
    python = chosen.sqlmesh / "bin" / "python"
    size = SMALL if chosen.small else FULL if chosen.full else FULL.times(0.1)
    return size, python if python.exists() else None


def _print(mart: Mart, size: Size, results: dict[str, Result]) -> None:
    ours = next(iter(results.values())).again
    print(f"{mart.name}, {size.signals:,} signals and {size.orders:,} orders, seconds")
    print(f"  {'':34}{'in full':>10}{'after 1%':>10}{'to ours':>10}{'rows wrong':>12}")
    for name, each in results.items():
        ratio = f"{each.again / ours:8.2f} x"
        print(f"  {name:34}{each.full:10.2f}{each.again:10.2f}{ratio}{each.wrong:12,}", flush=True)


if __name__ == "__main__":
    main()
