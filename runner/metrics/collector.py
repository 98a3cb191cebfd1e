"""Reads the parts of the catalogue when Prometheus asks.

Each side is read in a thread of its own, and slow parts in another, so that a server that does not
answer keeps no scrape waiting. A part that could not be read has ``signal_marts_seen`` 0 and no
other value.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import psycopg
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector as Registered

from runner.errors import SignalMartsError
from runner.metrics import reading
from runner.metrics.catalogue import METRICS, NAMED, PARTS, PREFIX, Part
from runner.servers.database import Database

LIMIT_SECONDS = 8
"""So long a scrape waits at most: less than the ten seconds that Prometheus waits for it."""

_STALE_SECONDS = 30
"""Rows that are older than twice their part's time and this are not told."""

_RETRY_SECONDS = 300
"""After so long at most, a part that could not be read is tried again."""

Rows = Sequence[Mapping[str, Any]]


class Reader:
    """Reads parts of one side, one reading at a time.

    ``report`` is told of each part that could not be read, once until it can be read again.
    """

    def __init__(
        self,
        database: Database,
        parts: Sequence[Part],
        statement_seconds: int,
        report: Callable[[str], None],
    ) -> None:
        self.side = database.side
        self.parts = parts
        self._database = database
        self._statement_seconds = statement_seconds
        self._report = report
        self._read: dict[str, tuple[float, Rows | None]] = {}
        self._told: dict[str, str] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._begun_at = 0.0

    def begin(self) -> None:
        """Begin to read the parts that are due, unless a reading is at work."""
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                return
            now = time.monotonic()
            due = [part for part in self.parts if self._is_due(part, now)]
            if due:
                self._begun_at = now
                self._thread = threading.Thread(
                    target=self._run, args=(due,), name=f"metrics of the {self.side}", daemon=True
                )
                self._thread.start()

    def _is_due(self, part: Part, now: float) -> bool:
        if part.name not in self._read:
            return True
        read_at, rows = self._read[part.name]
        return now - read_at >= (
            part.every if rows is not None else min(part.every, _RETRY_SECONDS)
        )

    def wait(self, seconds: float) -> None:
        """Wait for a reading, until so many seconds after its begin."""
        if self._thread is not None:
            self._thread.join(max(0.0, self._begun_at + seconds - time.monotonic()))

    def rows(self, part: Part) -> Rows | None:
        """The rows of a part; None where they could not be read, or are old."""
        read_at, rows = self._read.get(part.name, (0.0, None))
        is_old = time.monotonic() - read_at > 2 * part.every + _STALE_SECONDS
        return None if is_old else rows

    def _run(self, due: Sequence[Part]) -> None:
        left = list(due)
        try:
            with reading.connected(self._database, self._statement_seconds) as connection:
                while left:
                    try:
                        rows = reading.read(connection, left[0].name)
                    except (psycopg.Error, SignalMartsError) as error:
                        if connection.broken:
                            raise
                        self._note(left[0], None, error)
                    else:
                        self._note(left[0], rows)
                    left.pop(0)
        # Whatever it was, the next scrape tries again.
        except Exception as error:
            for part in left:
                self._note(part, None, error)

    def _note(self, part: Part, rows: Rows | None, error: Exception | None = None) -> None:
        self._read[part.name] = (time.monotonic(), rows)
        if error is None:
            self._told.pop(part.name, None)
            return
        lines = str(error).strip().splitlines() or [type(error).__name__]
        if self._told.get(part.name) != lines[0]:
            self._told[part.name] = lines[0]
            self._report(f"no metrics of {part.name} of the {self.side}: {lines[0]}")


class Collector(Registered):
    """All metrics of the catalogue but those of a watch."""

    def __init__(
        self,
        primary: Database,
        replica: Database,
        report: Callable[[str], None],
        limit_seconds: float = LIMIT_SECONDS,
    ) -> None:
        def parts(side: str, *, is_slow: bool) -> list[Part]:
            return [p for p in PARTS.values() if side in p.sides and p.is_slow == is_slow]

        self._limit_seconds = limit_seconds
        self._readers = [
            Reader(primary, parts("primary", is_slow=False), 2, report),
            Reader(replica, parts("replica", is_slow=False), 2, report),
            Reader(replica, parts("replica", is_slow=True), 60, report),
        ]

    def describe(self) -> Iterator[Metric]:
        """Nothing, so that nothing is read before a scrape."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """Read what is due, within the limit, and tell what is known."""
        for reader in self._readers:
            reader.begin()
        for reader in self._readers:
            reader.wait(self._limit_seconds)
        read = [
            (part, reader.side, reader.rows(part))
            for reader in self._readers
            for part in reader.parts
        ]
        now = _family("read_timestamp_seconds")
        now.add_metric((), time.time())
        seen = _family("seen")
        for part, side, rows in read:
            seen.add_metric((part.name, side), float(rows is not None))
        yield from (now, seen)
        for name in PARTS:
            found = [
                {"side": side, **row}
                for part, side, rows in read
                if part.name == name
                for row in rows or ()
            ]
            yield from _families(name, found)


def _families(part: str, rows: Rows) -> Iterator[Metric]:
    """The metrics of a part that have a value."""
    for metric in METRICS[part]:
        family = _family(metric.name)
        for row in rows:
            if row[metric.name] is not None:
                labels = [str(row[label]) for label in metric.labels]
                family.add_metric(labels, float(row[metric.name]))
        if family.samples:
            yield family


def _family(name: str) -> GaugeMetricFamily | CounterMetricFamily:
    metric = NAMED[name]
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    return kind(PREFIX + metric.name, metric.help, labels=metric.labels)
