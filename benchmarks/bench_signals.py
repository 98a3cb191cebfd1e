"""The cost of the data access layer against the plainest SQL, measured in one run.

Ratios of rates: a bulk store to a raw COPY of the same rows, and the time of one store to that of a
plain INSERT. The rounds alternate, so that changes of the machine's speed affect both; the median
counts.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import LiteralString

from psycopg.types.json import Jsonb

from runner.client import AITradingIntegration
from runner.client.pools import Pools
from runner.client.records import Model, Signal
from runner.demo.embedded import EmbeddedPair
from runner.demo.platform import create_platform
from runner.deploy.deploy import deploy
from runner.servers.database import Connection, Database

ROWS = 20_000
SINGLES = 500
ROUNDS = 5

COPY: LiteralString = """
    copy public.ai_trading_signals (
        model_id, idempotency_key, symbol, signal_type, confidence, price_target, stop_loss,
        take_profit, metadata, expires_at, created_at
    ) from stdin
"""
INSERT: LiteralString = """
    insert into public.ai_trading_signals (
        model_id, idempotency_key, symbol, signal_type, confidence, price_target, stop_loss,
        take_profit, metadata, expires_at, created_at
    )
    values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""


def main() -> None:
    """Measure both on a pair of servers, and print the ratios."""
    folder = Path(tempfile.mkdtemp(prefix="signal-marts-bench-"))
    folder.chmod(0o755)
    pair = EmbeddedPair(folder / "pair")
    try:
        urls = pair.up()
        os.environ["PGPASSFILE"] = str(urls.passfile)
        primary = Database("primary", urls.primary, search_path="public")
        replica = Database("replica", urls.replica)
        with primary.connect() as connection:
            create_platform(connection, days=0)
        deploy(primary, replica, lock_timeout=2, fence_timeout=60, report=lambda line: None)
        with (
            primary.connect(autocommit=True) as owner,
            primary.connect(autocommit=True) as connection,
            Pools(primary) as pools,
        ):
            connection.execute("set role ai_writer")
            _compare(connection, AITradingIntegration(pools))
            _compare_limits(owner, connection)
    finally:
        pair.down()
        shutil.rmtree(folder)


def _compare(connection: Connection, module: AITradingIntegration) -> None:
    model_id = module.register_model(Model("sparse_spectrum", "bench", "1"))
    bulk = [_signal(model_id, n) for n in range(ROWS)]
    copied, stored = _alternate(
        lambda: _copy(connection, bulk),
        lambda: module.store_ai_signals(bulk),
    )
    print(f"a bulk of {ROWS:,} signals, rows a second")
    print(f"  {'raw COPY':34}{ROWS / copied:10,.0f}")
    ratio = copied / stored
    print(f"  {'store_ai_signals':34}{ROWS / stored:10,.0f}   {ratio:8.2f} x the COPY's rate")
    some = bulk[:SINGLES]
    inserted, one_by_one = _alternate(
        lambda: [connection.execute(INSERT, _plain(signal)) for signal in some],
        lambda: [module.store_ai_signal(signal) for signal in some],
    )
    print("one signal, milliseconds")
    print(f"  {'plain INSERT':34}{inserted / SINGLES * 1000:10.2f}")
    ratio = one_by_one / inserted
    taken = one_by_one / SINGLES * 1000
    print(f"  {'store_ai_signal':34}{taken:10.2f}   {ratio:8.2f} x the INSERT's time")


def _compare_limits(owner: Connection, connection: Connection) -> None:
    """The cost of migration 0026's limits for a plain COPY and a plain INSERT."""
    ((model_id,),) = owner.execute("select max(id) from ai_models").fetchall()
    bulk = [_signal(model_id, n) for n in range(ROWS)]
    triggers = owner.execute(
        "select tgname, pg_get_triggerdef(oid) from pg_trigger"
        " where tgrelid = 'ai_trading_signals'::regclass and tgname ~ '_(limits|drawn_id)$'"
    ).fetchall()

    def without(work: Callable[[], object]) -> None:
        for name, _ in triggers:
            owner.execute(f"drop trigger {name} on ai_trading_signals")
        work()
        for _, definition in triggers:
            owner.execute(definition)

    def copy() -> None:
        _copy(connection, bulk)

    def insert() -> None:
        for signal in bulk[:SINGLES]:
            connection.execute(INSERT, _plain(signal))

    print("the limits' cost, rows a second without and with them")
    for name, work, rows in (("COPY", copy, ROWS), ("INSERT", insert, SINGLES)):
        free, limited = _alternate(partial(without, work), work)
        ratio = free / limited
        print(f"  {name:12}{rows / free:10,.0f}{rows / limited:12,.0f}   {ratio:8.2f} x the rate")


def _alternate(first: Callable[[], object], second: Callable[[], object]) -> tuple[float, float]:
    """Median seconds of both, after a round that warms up."""
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(ROUNDS + 1):
        for work, taken in zip((first, second), times, strict=True):
            start = time.perf_counter()
            work()
            if number:
                taken.append(time.perf_counter() - start)
    return statistics.median(times[0]), statistics.median(times[1])


def _signal(model_id: int, number: int) -> Signal:
    at = datetime(2025, 3, 1, tzinfo=UTC) + timedelta(seconds=number)
    return Signal(
        symbol=f"SYM{number % 20}",
        signal_type="BUY",
        confidence=number / ROWS,
        created_at=at,
        expires_at=at + timedelta(hours=4),
        price_target=Decimal("101.25"),
        stop_loss=Decimal("99.5"),
        take_profit=Decimal("103.125"),
        metadata={"edge": 0.25, "horizon_bars": 12, "regime": "trend"},
        model_id=model_id,
    )


def _plain(signal: Signal) -> tuple[object, ...]:
    return (
        signal.model_id,
        uuid.uuid4().hex,
        signal.symbol,
        signal.signal_type,
        signal.confidence,
        signal.price_target,
        signal.stop_loss,
        signal.take_profit,
        Jsonb(dict(signal.metadata)),
        signal.expires_at,
        signal.created_at,
    )


def _copy(connection: Connection, signals: Sequence[Signal]) -> None:
    with connection.cursor() as cursor, cursor.copy(COPY) as copy:
        for signal in signals:
            copy.write_row(_plain(signal))


if __name__ == "__main__":
    main()
