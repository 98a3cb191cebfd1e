"""Minutes of `signal-marts watch` among kills and rows that nobody can use: all must end equal.

One thread changes the platform all the time, as random histories do, with hostile values among the
changes. Meanwhile watch, its sessions and both servers are killed, tables are lost, emptied and
copied anew. Every two minutes the changes stop, and watch must bring the marts up to date by
itself; then the landing tables must equal the primary's, the marts a full refresh in other schemas
bit for bit, and status must have nothing to say.

    make soak ARGS="--minutes 10 --seed 1"

The seed decides what happens in which order; when it happens depends on the machine as well. The
servers are of the drill's own, and go with it, at Ctrl-C too.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import sys
import time
import traceback
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import psutil
import psycopg
from psycopg import sql

sys.path.extend(str(Path(__file__).parents[1] / name) for name in (".", "integration/support"))

import children
from comparison import differing_models, differing_rows
from drills import configure, eventually, kill_server, plain_dbt, servers
from histories import Histories
from hostile_writer import PATIENCE, TABLES, Writer
from random_market import RandomMarket
from rejected_market import drop_constraints
from watching import Watching

from runner.demo.embedded import EmbeddedServer
from runner.doctor.status import as_json, status
from runner.replication.fence import FenceError
from runner.replication.trial_copy import UnreplicableRowError
from runner.servers.database import ConnectionFailedError
from runner.servers.deploy_lock import LockedError
from runner.settings import PROJECT

LAP_SECONDS = 120

PLATFORM_TABLES = ("micro_patterns", "trade_plans", "trading_orders", "trading_stats")


class SoakError(Exception):
    """A check that failed."""


class Soak:
    """A watch at work, the changes of its platform, and its accidents."""

    def __init__(self, history: Histories, seed: int) -> None:
        self.history = history
        self.pair = history.pair
        self.landscape = history.landscape
        self.random = Random(seed)
        self.begun = time.monotonic()
        self.counts: Counter[str] = Counter()
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
                self.deck = list(_ACCIDENTS)
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

    # --- what must hold ---------------------------------------------------------------------

    def compare(self) -> None:
        """Everything is up again, and the watch makes all equal by itself."""
        assert self.writer is not None
        assert self.watch is not None
        self._bring_up()
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

    def is_up(self) -> bool:
        try:
            with self.landscape.primary.connect(), self.landscape.replica.connect():
                return True
        except ConnectionFailedError:
            return False

    # --- accidents --------------------------------------------------------------------------

    def kill_watch(self) -> None:
        """kill -9 of the watch"""
        assert self.watch is not None
        self.watch.end(signal.SIGKILL)
        self.start_watch()

    def end_watch(self) -> None:
        """SIGTERM to the watch"""
        self.stop_watch()
        self.start_watch()

    def pause_watch(self) -> None:
        """the watch was stopped for some seconds"""
        assert self.watch is not None
        with self.watch.paused():
            time.sleep(self.random.uniform(1, 8))

    def _kill(self, *killed: EmbeddedServer) -> None:
        for server in killed:
            kill_server(server)
        self.rest(self.random.choice((0, 0, 2, 6)))
        self._bring_up()

    def _bring_up(self) -> None:
        self.pair.up()
        eventually(self.is_up, seconds=PATIENCE)

    def kill_replica(self) -> None:
        """kill -9 of the replica's server"""
        self._kill(self.pair.replica)

    def kill_primary(self) -> None:
        """kill -9 of the primary's server"""
        self._kill(self.pair.primary)

    def kill_both(self) -> None:
        """kill -9 of both servers"""
        self._kill(self.pair.primary, self.pair.replica)

    def restart(self) -> None:
        """a server restarted"""
        self.random.choice((self.pair.primary, self.pair.replica)).stop()
        self._bring_up()

    def kill_backend(self) -> str:
        """kill -9 of a session of a build, at which its server starts anew"""
        found = self.landscape.on_replica(
            "select pid from pg_stat_activity where datname = current_database()"
            " and application_name in ('dbt', 'signal-marts round')"
            " order by state = 'active' desc limit 1"
        )
        for (pid,) in found:
            assert isinstance(pid, int)
            with contextlib.suppress(psutil.NoSuchProcess):
                if (session := psutil.Process(pid)).ppid() == self.pair.replica.pid():
                    session.kill()
        # A moment later the server notices.
        time.sleep(1)
        eventually(self.is_up, seconds=PATIENCE)
        return f"{len(found)} killed"

    def _terminate(self, side: str, condition: str) -> str:
        rows = self.landscape.execute(
            side,
            "select pg_terminate_backend(pid) from pg_stat_activity"
            f" where pid <> pg_backend_pid() and {condition}",
        )
        return f"{len(rows)} ended"

    def end_apply_worker(self) -> str:
        """the apply worker's session was ended"""
        return self._terminate("replica", "backend_type like 'logical replication%worker'")

    def end_sender(self) -> str:
        """the primary's sender was ended"""
        return self._terminate("primary", "backend_type = 'walsender'")

    def end_dbt(self) -> str:
        """dbt's sessions were ended"""
        return self._terminate("replica", "application_name = 'dbt'")

    def end_sessions(self) -> str:
        """the watch's own sessions were ended"""
        side = self.random.choice(("primary", "replica"))
        return self._terminate(side, "application_name like 'signal-marts%'") + f" on the {side}"

    def fail_a_model(self) -> str:
        """a model could not write for some seconds"""
        table = self.history._table(self.random.randrange(2**32))
        if table is None:
            return "none yet"
        with contextlib.suppress(psycopg.errors.UndefinedTable, psycopg.errors.DeadlockDetected):
            self.history._on_replica(
                "alter table {} add constraint never check (false) not valid", table
            )
        self.rest(self.random.uniform(1, 6))
        self._again(
            lambda: self.history._on_replica(
                "alter table if exists {} drop constraint if exists never", table
            )
        )
        return ".".join(table)

    def lose_a_table(self) -> str:
        """a model's table was dropped"""
        table = self.history._table(self.random.randrange(2**32))
        if table is None:
            return "none yet"
        self._again(lambda: self.history._on_replica("drop table if exists {} cascade", table))
        return ".".join(table)

    def rewrite_a_table(self) -> str:
        """a landing table was rewritten"""
        table = self.random.choice(TABLES)
        self._again(
            lambda: self.landscape.on_replica(
                f"set lock_timeout = '5s'; cluster public.{table.name} using {table.name}_pkey"
            )
        )
        return table.qualified

    def _again(self, act: Callable[[], object]) -> None:
        """Until it meets no deadlock with a build."""

        def is_done() -> bool:
            try:
                act()
            except (psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable):
                return False
            return True

        eventually(is_done, seconds=PATIENCE)

    def plain_dbt(self) -> str:
        """dbt alone built some models"""
        some = self.random.sample(self.history.models(), 2)
        done = children.run(
            plain_dbt(self.history.parsed("plain"), "--select", *(f"+{name}+" for name in some)),
            cwd=PROJECT,
            env=os.environ | self.landscape.replica.environment(),
            capture_output=True,
        )
        return f"{', '.join(some)}: exit code {done.returncode}"

    def deploy(self) -> str:
        """a deploy"""
        return self._deploy(None)

    def resync(self) -> str:
        """a deploy that copies again"""
        some = self.random.choice(((), (self.random.choice(TABLES).qualified,)))
        return f"{', '.join(some) or 'all'}: {self._deploy(some)}"

    def _deploy(self, resync: tuple[str, ...] | None) -> str:
        """A new slot waits for transactions that are open, so there is no long one meanwhile."""
        assert self.writer is not None
        self.writer.may_hold_long.clear()
        tries = 0

        def is_done() -> bool:
            nonlocal tries
            tries += 1
            try:
                self.landscape.deploy(resync=resync)
            except FenceError as error:
                self.tell(f"deploy: {str(error).splitlines()[0]}")
                return False
            return True

        eventually(lambda: self.history.long is None)
        eventually(is_done, seconds=PATIENCE)
        self.writer.may_hold_long.set()
        return f"{tries} tries"

    def stop_at_a_row(self) -> str:
        """a document came that the replica cannot take, and went again"""
        name = self.landscape.replica.parameters()["dbname"]
        self.landscape.on_replica(f"alter database {name} set max_stack_depth = '200kB'")
        self._terminate("replica", "backend_type like 'logical replication%worker'")
        self.landscape.on_primary(DEEP)
        self.rest(self.random.uniform(1, 6))
        assert self.writer is not None
        self.writer.may_hold_long.clear()
        eventually(lambda: self.history.long is None)
        try:
            self.landscape.deploy()
            told = "deployed"
        except (UnreplicableRowError, FenceError) as error:
            told = str(error)[:60]
        self.landscape.on_primary("update ai_models set config = '{}' where config ? 'deep'")
        self.landscape.on_replica(f"alter database {name} reset max_stack_depth")
        self._deploy(None)
        return told

    def look(self) -> str:
        """status was asked"""
        found = status(self.landscape.primary, self.landscape.replica)
        as_json(found)
        return f"{len(found.problems)} problems"


DEEP = """
    set local session_replication_role = replica;
    insert into ai_models (model_type, model_name, version, config)
    select 'sparse_spectrum', 'deep', '1', jsonb_build_object('deep', deep.v)
    from (
        with recursive deep (n, v) as (
            select 1, '[]'::jsonb
            union all
            select n + 1, jsonb_build_array(v) from deep where n < 4000
        )

        select v from deep order by n desc limit 1
    ) as deep
"""

_ACCIDENTS: tuple[Callable[[Soak], str | None], ...] = (
    *(Soak.kill_watch, Soak.kill_watch, Soak.end_watch, Soak.pause_watch),
    *(Soak.kill_replica, Soak.kill_replica, Soak.kill_primary, Soak.kill_both, Soak.restart),
    *(Soak.kill_backend, Soak.end_apply_worker, Soak.end_sender, Soak.end_dbt, Soak.end_sessions),
    *(Soak.fail_a_model, Soak.lose_a_table, Soak.rewrite_a_table, Soak.plain_dbt),
    *(Soak.deploy, Soak.resync, Soak.stop_at_a_row, Soak.look),
)


def main(arguments: list[str] | None = None) -> int:
    """Run laps until the minutes are over; 0 where all was equal after each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=10, help="of changes and accidents")
    parser.add_argument("--seed", type=int, default=Random().randrange(10**6))
    parser.add_argument(
        "--hold", action="store_true", help="after a failure, keep the servers until Ctrl-C"
    )
    chosen = parser.parse_args(arguments)
    print(f"seed {chosen.seed}, {chosen.minutes:g} minutes", flush=True)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt_once)
    with servers() as pair:
        # So that long transactions arrive before they end.
        configure(pair, pair.primary, "logical_decoding_work_mem", "64kB")
        Histories.pair = pair
        history = Histories()
        with history.closing:
            soak = Soak(history, chosen.seed)
            try:
                left = chosen.minutes * 60
                while left > 0:
                    soak.lap(min(left, LAP_SECONDS))
                    left -= LAP_SECONDS
            except Exception:
                traceback.print_exc(file=sys.stdout)
                soak.tell_end()
                print(f"FAILED: seed {chosen.seed}", flush=True)
                if chosen.hold:
                    signal.pause()
                return 1
            finally:
                soak.end()
    print(
        f"equal: seed {chosen.seed}, "
        + ", ".join(f"{count} {name}" for name, count in soak.counts.items())
    )
    return 0


def _interrupt_once(number: int, frame: object) -> None:
    """End in good order: a second Ctrl-C does not keep the servers from being stopped."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        sys.exit(130)
