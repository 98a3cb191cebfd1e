"""The delay from a module's commit to the marts, while a watch runs on a large history.

A replica is filled with a history (1 million signals with --full), a watch is started on it, and
100 signals a second are committed on the primary, with bars of twenty symbols every few seconds. A
reader queries the marts all the time. Printed are p50, p95 and p99 of the seconds from a commit
until the signal is in signal_confluence, which is live, and in signal_outcomes, which is not; and
until the decision of a bar's close is in ensemble_decisions, live again.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import sql
from scale import (
    FIRST_ID,
    FULL,
    SMALL,
    Size,
    add_history,
    deployed_replica,
    ids_after_history,
    platform_of,
    servers,
)

from runner.build import transform
from runner.servers.database import Connection, Database, scalar
from runner.settings import PROJECT

_RATE = 100
_SECONDS_BETWEEN_BARS = 5
_MARTS_OF_SIGNALS = ("ensemble.signal_confluence", "performance.signal_outcomes")


def main(arguments: Sequence[str] | None = None) -> None:
    """Fill, watch, trade, and print the percentiles."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a quick try")
    parser.add_argument("--full", action="store_true", help="on 1 million signals")
    parser.add_argument("--seconds", type=int, default=60, help="how long signals come")
    parser.add_argument("--all-every", default="2", help="as of watch")
    chosen = parser.parse_args(arguments)
    size = SMALL if chosen.small else FULL if chosen.full else FULL.times(0.1)
    with servers() as pair, tempfile.TemporaryDirectory() as target:
        replica = deployed_replica(pair, "watch")
        primary = platform_of(pair, "watch")
        add_history(replica, size)
        transform.build(
            replica.environment(),
            advance=lambda done, total, at: None,
            tests=False,
            target=None,
        )
        ids_after_history(primary)
        with replica.connect(autocommit=True) as connection:
            connection.execute("alter subscription signal_marts enable")
        with subprocess.Popen(
            [
                *(sys.executable, "-m", "runner", "watch", "--interval", "0", "--test-every", "0"),
                *("--all-every", chosen.all_every),
            ],
            cwd=PROJECT,
            env=os.environ
            | {
                "PRIMARY_URL": primary.url,
                "REPLICA_URL": replica.url,
                "DBT_TARGET_PATH": target,
            },
            stdout=subprocess.PIPE,
            text=True,
        ) as watch:
            assert watch.stdout is not None
            watch.stdout.readline()
            lines: list[str] = []
            rounds = threading.Thread(target=lines.extend, args=(watch.stdout,))
            rounds.start()
            try:
                _measure(primary, replica, size, chosen.seconds)
            finally:
                watch.send_signal(signal.SIGTERM)
                rounds.join()
        for kind, is_kind in (("live rounds", True), ("rounds of all", False)):
            seconds = [
                float(match[1])
                for line in lines
                if (" live models " in line) is is_kind
                and (match := re.search(r" in ([0-9.]+) s ", line))
            ]
            if seconds:
                print(f"  {len(seconds)} {kind}, median {statistics.median(seconds):.1f} s each")


def _measure(primary: Database, replica: Database, size: Size, seconds: int) -> None:
    with replica.connect(autocommit=True) as reader:
        end = scalar(reader, "select max(closed_at) from staging.stg_ai__market_bars")
        symbols = [
            symbol
            for (symbol,) in reader.execute(
                "select distinct symbol from public.market_bars order by symbol limit 20"
            )
        ]
    committed: dict[int, float] = {}
    closed: dict[datetime, float] = {}
    writer = threading.Thread(
        target=_write, args=(primary, symbols, end, seconds, committed, closed)
    )
    seen: dict[str, dict[int, float]] = {mart: {} for mart in _MARTS_OF_SIGNALS}
    decided: dict[datetime, float] = {}
    writer.start()
    with replica.connect(autocommit=True) as reader:
        deadline = time.monotonic() + seconds + 120
        while time.monotonic() < deadline:
            _note_new(reader, seen, decided, end)
            if (
                not writer.is_alive()
                and all(len(each) >= len(committed) for each in seen.values())
                and len(decided) >= len(closed)
            ):
                break
            time.sleep(0.05)
    writer.join()
    print(
        f"commit to visible while {_RATE} signals a second come on top of {size.signals:,}, seconds"
    )
    print(f"  {'':32}{'p50':>8}{'p95':>8}{'p99':>8}")
    noted: list[tuple[str, Mapping[Any, float], Mapping[Any, float]]] = [
        *((mart, each, committed) for mart, each in seen.items()),
        ("ensemble.ensemble_decisions", decided, closed),
    ]
    for mart, at_last, at_first in noted:
        times = [at_last[key] - at for key, at in at_first.items() if key in at_last]
        if len(times) < 2:
            print(f"  {mart:32}   nothing was seen")
            continue
        cuts = statistics.quantiles(times, n=100, method="inclusive")
        print(f"  {mart:32}{cuts[49]:8.2f}{cuts[94]:8.2f}{cuts[98]:8.2f}")


def _write(
    primary: Database,
    symbols: Sequence[str],
    end: datetime,
    seconds: int,
    committed: dict[int, float],
    closed: dict[datetime, float],
) -> None:
    """Commit signals one by one, and now and then a bar of every symbol, an hour after the last."""
    with primary.connect(autocommit=True) as connection:
        model = scalar(
            connection,
            "insert into ai_models (model_type, model_name, version, created_at)"
            " values ('sparse_spectrum', 'watched', '1', %s) returning id",
            (end - timedelta(days=1),),
        )
        start = time.monotonic()
        hours = 0
        for number in range(_RATE * seconds):
            time.sleep(max(0.0, start + number / _RATE - time.monotonic()))
            if number % (_RATE * _SECONDS_BETWEEN_BARS) == 0:
                _add_bars(connection, symbols, end + timedelta(hours=hours))
                hours += 1
                closed[end + timedelta(hours=hours)] = time.monotonic()
            id_ = scalar(
                connection,
                "insert into ai_trading_signals"
                " (model_id, symbol, signal_type, confidence, created_at)"
                " values (%s, %s, 'BUY', 0.6, %s) returning id",
                (model, symbols[number % len(symbols)], end + timedelta(hours=hours)),
            )
            committed[id_] = time.monotonic()


def _add_bars(connection: Connection, symbols: Sequence[str], opened_at: datetime) -> None:
    connection.execute(
        "insert into market_bars"
        " select symbol, '1h', %s, 100, 101, 99, 100, 1 from unnest(%s::text[]) as symbol",
        (opened_at, list(symbols)),
    )


def _note_new(
    reader: Connection,
    seen: Mapping[str, dict[int, float]],
    decided: dict[datetime, float],
    end: datetime,
) -> None:
    for mart, each in seen.items():
        last = max(each, default=FIRST_ID)
        rows = reader.execute(
            sql.SQL("select signal_id from {} where signal_id > %s").format(
                sql.Identifier(*mart.split("."))
            ),
            (last,),
        ).fetchall()
        now = time.monotonic()
        each.update({id_: now for (id_,) in rows})
    times = reader.execute(
        "select distinct decided_at from ensemble.ensemble_decisions where decided_at > %s",
        (max(decided, default=end.astimezone(UTC)),),
    ).fetchall()
    now = time.monotonic()
    decided.update({at: now for (at,) in times})


if __name__ == "__main__":
    main()
