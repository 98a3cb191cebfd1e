"""Build the demo's models on Spark, and compare every row with PostgreSQL's.

It is run after ``make demo``, by hand; the first argument is the folder of programs of Spark's
environment. One snapshot of the replica, the raw tables and the models as PostgreSQL built them, is
written as Parquet files. Everything that it starts is stopped at the end.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from runner.demo.embedded import EmbeddedPair
from runner.errors import SignalMartsError
from runner.scale import cluster
from runner.scale.export import write_snapshot
from runner.servers.database import Database
from runner.settings import PROJECT, load


def main() -> int:
    programs, more = Path(sys.argv[1]).absolute(), sys.argv[2:]
    pair = EmbeddedPair(load().home)
    pair.urls()  # one that is not made yet has no rows, and says so
    urls = pair.up()
    with tempfile.TemporaryDirectory(prefix="signal-marts-spark-") as home:
        folder = Path(home)
        with timed("one snapshot of PostgreSQL's rows"):
            replica = Database("replica", f"{urls.replica}?passfile={urls.passfile}")
            with replica.connect(autocommit=False) as connection:
                write_snapshot(connection, folder / "snapshot")
        with ExitStack() as stack:
            with timed("a Spark cluster"):
                port = stack.enter_context(
                    cluster.running(programs, folder / "spark", cluster.Workers())
                )
            environment = {
                **os.environ,
                "SPARK_SNAPSHOT": str(folder / "snapshot"),
                "SPARK_THRIFT_HOST": cluster.HOST,
                "SPARK_THRIFT_PORT": str(port),
                "DBT_THREADS": "4",
            }
            # A model that is not built is told by the comparison as well.
            with timed("all models on Spark"):
                dbt(programs, environment, "run", *more)
            with timed("every row compared"):
                return dbt(programs, environment, "run-operation", "compare_models")


def dbt(programs: Path, environment: Mapping[str, str], *command: str) -> int:
    """Run dbt against Spark; return its exit code."""
    program = [str(programs / "dbt"), *command, "--target", "spark", "--target-path"]
    return subprocess.run(
        [*program, str(PROJECT / "target/spark")], cwd=PROJECT, env=environment, check=False
    ).returncode


@contextmanager
def timed(part: str) -> Iterator[None]:
    """Print how long a part took."""
    began = time.monotonic()
    yield
    click.echo(f"{part}: {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SignalMartsError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
