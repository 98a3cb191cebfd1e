"""The effect of a full build on trading, and where it comes from: p99 of orders' inserts.

pgbench inserts orders at a steady rate, on one core together with the primary's server, while

- nothing else happens,
- a program that only copies memory keeps the other core busy: the effect of the machine itself,
- a replica on a second server, on the other core, follows, and nothing is built: what the slot, the
  walsender and the log that it reads cost,
- that replica is rebuilt in full again and again, and does not follow,
- the same, and it follows, as it would,
- the same, and no commit on the primary waits for a disk (synchronous_commit off), beside nothing
  else without such waits: what is left without the disk,
- a replica on the primary's own server is rebuilt in full again and again.

All but the last in turn, in slices of some seconds, the replica's server being halted in between;
the last leaves work on the primary's server. Each slice is compared with the first ones of its own
turn, and printed are the medians of these ratios. Needs two cores. The builds' own process is on
the second core in all cases. On a machine with one disk, two servers still share that;
--replica-disk takes the replica off it, to one of its own or into memory, as on machines of their
own.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from scale import (
    FULL,
    SMALL,
    add_history,
    deployed_replica,
    ids_after_history,
    platform_of,
    servers,
)
from trading import RATE, Builder, apart, copying_memory, latencies, p99, processes

from runner.demo.embedded import EmbeddedPair
from runner.servers.database import Database, scalar

_IDLE, _PROGRAM = "nothing else", "a program that copies memory"


def main(arguments: Sequence[str] | None = None) -> None:
    """Fill two replicas, measure in turn, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a quick try")
    parser.add_argument("--seconds", type=int, default=6, help="of each slice")
    parser.add_argument("--turns", type=int, default=4, help="how often each is measured")
    parser.add_argument("--replica-disk", type=Path, help="a folder on another disk")
    chosen = parser.parse_args(arguments)
    size = SMALL if chosen.small else FULL.times(0.1)
    with (
        servers(replica_disk=chosen.replica_disk) as pair,
        tempfile.TemporaryDirectory() as folder,
        ExitStack() as stack,
    ):
        target = Path(folder)
        together = deployed_replica(pair, "one_server", one_server=True)
        # The last one that was deployed has the replicator's password.
        second = deployed_replica(pair, "two_servers")
        for replica in (second, together):
            add_history(replica, size)
        primary = platform_of(pair, "two_servers")
        ids_after_history(primary)
        apart(pair)
        found: dict[str, list[list[float]]] = {}

        def measure(what: str) -> None:
            each = latencies(primary.url, chosen.seconds, target)
            found.setdefault(what, []).append(each)

        builders = []
        for replica in (second, together):
            place = Path(tempfile.mkdtemp(dir=target))
            builders.append(stack.enter_context(closing(Builder(replica, place))))
        for _ in range(chosen.turns):
            with _halted(pair):
                measure(_IDLE)
                with copying_memory():
                    measure(_PROGRAM)
                with _hasty(primary):
                    measure("nothing else, no commit waits for a disk")
            with _following(primary, second):
                measure("a replica follows")
            with builders[0].building():
                measure("full builds on a second server")
                with _following(primary, second):
                    measure("the same, and it follows")
                    with _hasty(primary):
                        measure("the same, no commit waits for a disk")
        with builders[1].building():
            for _ in range(chosen.turns):
                measure("full builds on the primary's server")
        _print(found)


@contextmanager
def _halted(pair: EmbeddedPair) -> Iterator[None]:
    """The replica's server does nothing at all."""
    with ExitStack() as stack:
        for process in processes(pair.replica.pid()):
            process.suspend()
            stack.callback(process.resume)
        yield


@contextmanager
def _following(primary: Database, replica: Database) -> Iterator[None]:
    """The replica's subscription is on, and has caught up."""
    with (
        primary.connect(autocommit=True) as on_primary,
        replica.connect(autocommit=True) as on_replica,
    ):
        on_replica.execute("alter subscription signal_marts enable")
        until = scalar(on_primary, "select pg_current_wal_lsn()::text")
        caught_up = (
            "select coalesce(bool_and(confirmed_flush_lsn >= %s::pg_lsn), false)"
            " from pg_replication_slots where database = current_database()"
        )
        for _ in range(600):
            if scalar(on_primary, caught_up, (until,)):
                break
            time.sleep(0.1)
        else:
            raise SystemExit("the replica did not catch up within a minute")
        try:
            yield
        finally:
            on_replica.execute("alter subscription signal_marts disable")


@contextmanager
def _hasty(primary: Database) -> Iterator[None]:
    """Commits on the primary's server do not wait until they are on disk."""
    with primary.connect(autocommit=True) as connection:
        connection.execute("alter system set synchronous_commit = off")
        connection.execute("select pg_reload_conf()")
        try:
            yield
        finally:
            connection.execute("alter system reset synchronous_commit")
            connection.execute("select pg_reload_conf()")


def _print(found: Mapping[str, Sequence[Sequence[float]]]) -> None:
    print(
        f"{RATE} inserts a second on the primary, milliseconds; and p99 over nothing else and over"
        " the program, by turns: the median, the least and the most (the aim is 1.05 x)"
    )
    print(f"  {'':42}{'p50':>8}{'p99':>8}")
    for what, each in found.items():
        whole = [value for one in each for value in one]
        line = f"  {what:42}{statistics.median(whole):8.2f}{p99(whole):8.2f}"
        for base in (_IDLE, _PROGRAM):
            ratios = [p99(one) / p99(other) for one, other in zip(each, found[base], strict=True)]
            line += f"{statistics.median(ratios):9.2f} x ({min(ratios):.2f} to {max(ratios):.2f})"
        print(line)


if __name__ == "__main__":
    main()
