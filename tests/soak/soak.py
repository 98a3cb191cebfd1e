"""A watch at work while its platform changes, and what must hold after a lap of it."""

from __future__ import annotations

import signal
import socket
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

from comparison import differing_models, differing_rows
from drills import eventually
from histories import Histories
from hostile_writer import PATIENCE, TABLES, Writer
from psycopg import sql
from random_market import RandomMarket
from rejected_market import drop_constraints
from watching import Watching

from runner.doctor.status import status
from runner.servers.database import ConnectionFailedError
from runner.servers.deploy_lock import LockedError

PLATFORM_TABLES = ("micro_patterns", "trade_plans", "trading_orders", "trading_stats")


class SoakError(Exception):
    """A check that failed."""


class Soak:
    """A watch at work, the changes of its platform, and its accidents."""

    def __init__(
        self, history: Histories, seed: int, accidents: Sequence[Callable[[Soak], str | None]]
    ) -> None:
        self.history = history
        self.pair = history.pair
        self.landscape = history.landscape
        self.random = Random(seed)
        self.begun = time.monotonic()
        self.counts: Counter[str] = Counter()
        self.accidents = accidents
        self.deck: list[Callable[[Soak], str | None]] = []
        # Every second platform has no constraints, so that rows of all kinds come in.
        self.is_bare = seed % 2 == 0
        if self.is_bare:
            self._drop_constraints()
        RandomMarket(history.connection, Random(seed)).begin()
        self.writer: Writer | None = None
        self.watch: Watching | None = None

    def _drop_constraints(self) -> None:
        with self.landscape.primary.connect() as primary:
            # Without foreign keys the data tests would find what refers to nothing.
            drop_constraints(primary, "cu")
            for name, column, data_type in (
                (table.name, *column)
                for table in TABLES
                for column in table.columns
                if table.name in PLATFORM_TABLES and column[0] != "id"
            ):
                primary.execute(
                    sql.SQL("alter table {} alter {} type {}").format(
                        sql.Identifier("public", name),
                        sql.Identifier(column),
                        sql.SQL(data_type),
                    )
                )
        self.landscape.deploy()

    def tell(self, text: str) -> None:
        print(f"[{time.monotonic() - self.begun:5.0f} s] {text}", flush=True)

    # --- laps -------------------------------------------------------------------------------

    def lap(self, seconds: float) -> None:
        """Changes and accidents for so many seconds; then all must be equal."""
        self.writer = Writer(self.history, self.random.randrange(2**32))
        self.writer.start()
        self.start_watch()
        end = time.monotonic() + seconds
        while True:
            self.rest(min(self.random.uniform(1, 20), end - time.monotonic()))
            if time.monotonic() >= end:
                break
            if not self.deck:
                self.deck = list(self.accidents)
                self.random.shuffle(self.deck)
            accident = self.deck.pop()
            told = accident(self)
            self.counts["accidents"] += 1
            self.tell(f"{accident.__doc__}{f' ({told})' if told else ''}; {self._progress()}")
        self.writer.end()
        self._check_writer()
        self.counts["changes"] += self.writer.done
        self.counts["refused"] += self.writer.refused
        self.compare()

    def rest(self, seconds: float) -> None:
        """Let things happen; raise where the watch or the writer ended meanwhile."""
        until = time.monotonic() + seconds
        while True:
            self._check_writer()
            self.check_watch()
            if time.monotonic() >= until:
                return
            time.sleep(0.1)

    def _check_writer(self) -> None:
        assert self.writer is not None
        if self.writer.failure is not None:
            raise SoakError("the writer failed") from self.writer.failure

    def _progress(self) -> str:
        assert self.writer is not None
        assert self.watch is not None
        return (
            f"{self.writer.done} changes and {self.writer.refused} refused,"
            f" {len(self.watch.rounds)} rounds and {len(self.watch.notes)} notes of this watch"
        )

    # --- the watch --------------------------------------------------------------------------

    def start_watch(self) -> None:
        if self.watch is not None:
            self.counts["rounds"] += len(self.watch.rounds)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.watch = Watching(
            self.landscape,
            self.history.folder / "watch",
            *("--interval", "0.2", "--all-every", "5", "--test-every", "100"),
            *("--metrics-port", str(self.port)),
        )
        self.counts["watches"] += 1

    def check_watch(self) -> None:
        """A watch may only end where it says so: its lock is held by one that was killed."""
        assert self.watch is not None
        code = self.watch.code()
        if code is None:
            return
        self.watch.end(signal.SIGKILL)
        was_taken = any("metrics cannot be served" in note for note in self.watch.notes)
        if not self.watch.rounds and (code == LockedError.exit_code or was_taken):
            self.start_watch()
            return
        raise SoakError(f"the watch ended by itself with {code}")

    def stop_watch(self) -> None:
        assert self.watch is not None
        code = self.watch.end(signal.SIGTERM)
        if code not in (0, *([] if self.watch.rounds else [130, -signal.SIGTERM])):
            raise SoakError(f"the watch ended at SIGTERM with {code}")

    # --- the servers ------------------------------------------------------------------------

    def bring_up(self) -> None:
        self.pair.up()
        eventually(self.is_up, seconds=PATIENCE)

    def is_up(self) -> bool:
        try:
            with self.landscape.primary.connect(), self.landscape.replica.connect():
                return True
        except ConnectionFailedError:
            return False

    # --- what must hold ---------------------------------------------------------------------

    def compare(self) -> None:
        """Everything is up again, and the watch makes all equal by itself."""
        assert self.writer is not None
        assert self.watch is not None
        self.bring_up()
        quiet = max(time.time(), self.writer.due)
        self.tell("quiet; waiting until watch has caught up")
        deadline = time.monotonic() + PATIENCE
        while self._fresh_as_of() < quiet:
            self.rest(0.5)
            if time.monotonic() > deadline:
                raise SoakError("the watch does not catch up")
        self.stop_watch()
        if differences := self.landscape.differences():
            raise SoakError(f"landing tables differ from the primary's: {', '.join(differences)}")
        full = self.history.build(schema_prefix="full", full_refresh=True)
        if full.failures:
            raise SoakError(f"the full refresh failed: {full.failures}")
        with self.landscape.replica.connect() as replica:
            if models := differing_models(replica, "full"):
                for model in models:
                    print(model, *differing_rows(replica, "full", model), sep="\n    ")
                raise SoakError(
                    f"marts differ from a full refresh (rows of ours, of theirs): {models}"
                )
        self._check_status()
        rejected = self.landscape.on_replica("select count(*) from operations.rejected_rows")
        self.tell(f"equal, with {rejected[0][0]} values in rejected_rows")

    def _fresh_as_of(self) -> float:
        """As of which second all marts are fresh, as the watch tells Prometheus."""
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}/metrics", timeout=10
            ) as answer:
                lines = answer.read().decode().splitlines()
        except (urllib.error.URLError, OSError):
            return 0
        name = 'signal_marts_fresh_as_of_timestamp_seconds{marts="all"} '
        return max(
            (float(line.removeprefix(name)) for line in lines if line.startswith(name)), default=0
        )

    def _check_status(self) -> None:
        """Nothing is wrong, once a deploy has set the sequences past ids written by hand."""
        found: list[str] = []

        def is_well(*but: str) -> bool:
            now = status(self.landscape.primary, self.landscape.replica).problems
            found[:] = [problem for problem in now if not any(text in problem for text in but)]
            return not found

        lag = "its sequence will give out again"
        eventually(lambda: is_well(lag), seconds=120, what="no problem, but", instead=found)
        self.landscape.deploy()
        eventually(is_well, seconds=120, what="no problem, but", instead=found)

    def end(self) -> None:
        if self.watch is not None:
            self.watch.end(signal.SIGKILL)
            self.counts["rounds"] += len(self.watch.rounds)
        if self.writer is not None:
            self.writer.end()
            # Its server may have died since.
            self.history.connection.close()

    def tell_end(self) -> None:
        """The last messages of the watch and the servers."""
        if self.watch is not None:
            print(*self.watch.rounds[-20:], *self.watch.notes[-40:], sep="\n")
        for server in (self.pair.primary, self.pair.replica):
            print(f"--- {server.name}", server.log.read_text(errors="replace")[-4000:], sep="\n")
