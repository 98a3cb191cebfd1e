"""Somebody who trades while a table changes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from landscapes import Landscape

PARTITIONED = """
    create table rows (like micro_patterns);
    insert into rows select * from micro_patterns;
    drop table micro_patterns cascade;
    create table micro_patterns (like rows including defaults, primary key (id, created_at))
        partition by range (created_at);
    create table older partition of micro_patterns for values from (minvalue) to ('2024-12-01');
    create table newer partition of micro_patterns for values from ('2024-12-01') to ('2025-06-01')
        partition by range (created_at);
    create table newest partition of newer for values from ('2024-12-01') to ('2025-06-01');
    insert into micro_patterns
    select * from rows where created_at < '2025-06-01';
    drop table rows;
    create table apart (like micro_patterns including defaults, primary key (id, created_at))
"""
PATTERN = (
    "insert into {table} (id, created_at, symbol, timeframe, pattern_type, confidence, signal)"
    " select n, '{day}'::date + n % 1000 * interval '1 minute', 'BTC', '1h', 'x', 0.5, 'BUY'"
    " from generate_series({first}, {first} + 9) as n"
)


STATS = "trading_stats"


@contextmanager
def trading(landscape: Landscape, *statements: str) -> Iterator[None]:
    """Somebody who runs these statements again and again meanwhile, each in its own transaction."""
    is_over = threading.Event()
    errors: list[Exception] = []
    rounds = threading.Semaphore(0)

    def trade() -> None:
        try:
            with landscape.primary.connect(autocommit=True) as connection:
                while not is_over.is_set():
                    for statement in statements:
                        connection.execute(statement)
                    rounds.release()
        except Exception as error:
            errors.append(error)
            rounds.release(100)

    def wait_for_rounds() -> None:
        for _ in range(3):
            assert rounds.acquire(timeout=60)
        assert not errors, errors

    thread = threading.Thread(target=trade)
    thread.start()
    try:
        wait_for_rounds()
        yield
        # Some come after whatever was done.
        while rounds.acquire(blocking=False):
            pass
        wait_for_rounds()
    finally:
        is_over.set()
        thread.join(60)
    assert not errors, errors
