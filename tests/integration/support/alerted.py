"""Alerts on a replica with stand-ins of its marts, and a service that gets the messages."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from drills import eventually
from landscapes import Landscape
from psycopg import sql

from runner.alerts import daily, observed, rules
from runner.alerts.channels import channels
from runner.alerts.sending import Alerts
from runner.servers.database import Database
from runner.servers.role_logins import as_role

KEY = "k" * 32
SECRET = "s3cr3t-token"  # noqa: S105

# The columns that alerts read.
MARTS = """
create schema intermediate; create schema ensemble; create schema staging;
create schema operations; create schema performance; create schema changes;
create table intermediate.int_timeframes (symbol text);
create table ensemble.ensemble_decisions
    (symbol text, decision text, probability_up double precision, decided_at timestamptz);
create table staging.stg_ai__models (model_id bigint, model_name text, model_version text);
create table intermediate.int_trigger_days (
    model_id bigint, reason text, health_date date, is_open boolean, breach_days integer,
    first_breach_date date, alarm_date date, figure double precision, threshold double precision
);
create table operations.rejected_rows
    (source_table text, row_key text, reason text, first_seen_at timestamptz);
create table performance.daily_performance (
    trading_date date, account text, currency text, is_reconciled boolean,
    unreconciled_profit numeric
);
create table performance.source_performance_daily (
    source_type text, source_name text, account text, currency text, trading_date date,
    drawdown double precision
);
create table performance.trades
    (trade_id text, account text, currency text, net_profit numeric, exit_at timestamptz);
create table changes.builds (
    build_id text, started_at timestamptz, finished_at timestamptz, is_success boolean,
    nodes integer, failures integer
);
create table changes.build_results (build_id text, node_name text, status text);
"""
WELL = """
insert into intermediate.int_timeframes values ('BTCUSD');
insert into ensemble.ensemble_decisions values ('BTCUSD', 'HOLD', 0.5, now());
insert into staging.stg_ai__models values (1, 'dqn', '1');
insert into intermediate.int_trigger_days
values (1, 'loss', current_date, false, 0, null, null, 1, 20);
insert into performance.daily_performance values (current_date, 'bot', 'USD', true, 0);
insert into performance.source_performance_daily
values ('ai', 'all', 'bot', 'USD', current_date, -0.01);
insert into performance.trades values
('1-2', 'bot', 'USD', 12.50, now()), ('1-3', 'bot', 'USD', 99, now() - interval '2 days');
insert into changes.builds values ('1', now(), now(), true, 9, 0);
"""
TROUBLE = """
insert into ensemble.ensemble_decisions values ('BTCUSD', 'BUY', 0.61, now() + interval '1 hour');
update intermediate.int_trigger_days
set is_open = true, breach_days = 3, figure = 25, first_breach_date = current_date - 2;
insert into operations.rejected_rows values ('public.trading_orders', '7', 'no price', now());
update performance.daily_performance set is_reconciled = false, unreconciled_profit = -7.5;
update performance.source_performance_daily set drawdown = -0.25;
insert into changes.builds values ('2', now() + interval '1 second', now(), false, 9, 1);
insert into changes.build_results values ('2', 'daily_performance', 'error');
"""


def make_marts(landscape: Landscape) -> None:
    on_marts(landscape, MARTS + WELL)


def on_marts(landscape: Landscape, statements: str) -> None:
    """Run statements as builds do."""
    replica = Database("replica", landscape.replica.url)
    with as_role(replica, "transformer").connect() as session:
        session.execute(statements.encode())


def all_is_well(landscape: Landscape) -> None:
    """Marts without trouble, and books without a word."""
    tables = sql.SQL(", ").join(
        sql.Identifier(*line.split()[2].split("."))
        for line in MARTS.replace("create table", "\ncreate table").splitlines()
        if line.startswith("create table")
    )
    on_marts(landscape, f"truncate {tables.as_string()}; {WELL}")
    landscape.on_replica("truncate signal_marts.alerts, signal_marts.alert_messages")


def queries_run(landscape: Landscape) -> None:
    """Every query of alerts runs on marts that were built."""
    replica = Database("replica", landscape.replica.url)
    found, unknown = observed.in_marts(replica, rules.KINDS)
    assert unknown == {}
    assert found.keys() == rules.KINDS.keys() - {"stale", "replication"}
    assert "not known" not in daily.text(replica, {})


class Service(ThreadingHTTPServer):
    """Gets messages as JSON, at any path, up to a length; answers wait until ``held`` is set."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[dict[str, Any]] = []
        self.code = 200
        self.longest: int | None = None
        self.takes_files = True
        self.held = threading.Event()
        self.held.set()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.server_address[1]}/{SECRET}"

    @property
    def titles(self) -> list[str]:
        return [each["title"] for each in self.got]


class _Handler(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        message = json.loads(body)
        code, longest = self.server.code, self.server.longest
        if longest is not None and len(message["message"]) > longest:
            code = 400
        if message["attachments"] and not self.server.takes_files:
            code = 413
        if code == 200:
            self.server.got.append(message)
        self.server.held.wait(60)
        try:
            self.send_response(code)
            self.end_headers()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # who sent it was killed

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing."""

    def handle(self) -> None:
        with suppress(ConnectionResetError):
            super().handle()


@contextmanager
def service() -> Iterator[Service]:
    made = Service()
    try:
        yield made
    finally:
        made.held.set()
        made.shutdown()
        made.server_close()


class Made:
    """The alerts of a file, moved on by a test's clock. Each is as after a restart."""

    def __init__(self, landscape: Landscape, file: Path) -> None:
        self.reports: list[str] = []
        found = rules.read(file)
        assert found is not None
        self.alerts = Alerts(
            Database("primary", landscape.primary.url),
            Database("replica", landscape.replica.url),
            None,
            found,
            channels(found),
            KEY.encode() if found.acknowledge else None,
            self.reports.append,
        )
        self.alerts.note_fresh("all", 0)

    def rounds(self, now: datetime, count: int = 4) -> None:
        """Evaluate so many times, and wait until all that can be sent was."""
        for _ in range(count):
            self.alerts._evaluated = -float("inf")
            self.alerts.tick(now)
        self.sent(now)

    def sent(self, now: datetime) -> None:
        def is_quiet() -> bool:
            self.alerts._evaluated = float("inf")
            self.alerts.tick(now)
            return not self.alerts._sending

        eventually(is_quiet)

    def end(self) -> None:
        self.alerts._close_books()


@contextmanager
def made(landscape: Landscape, file: Path) -> Iterator[Made]:
    one = Made(landscape, file)
    try:
        yield one
    finally:
        one.end()


def run_until_killed(arguments: Sequence[str]) -> None:
    """What a test runs in a process of its own: primary, replica and file."""
    primary, replica, file = arguments
    landscape = Landscape(Database("primary", primary), Database("replica", replica))
    alerts = Made(landscape, Path(file)).alerts
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with alerts.beside():
        print("begun", flush=True)  # noqa: T201
        time.sleep(600)


if __name__ == "__main__":
    run_until_killed(sys.argv[1:])
