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
from runner.monitoring import reading
from runner.monitoring.catalogue import METRICS, NAMED, PARTS, PREFIX, Part
from runner.servers.database import Database

LIMIT_SECONDS = 8
"""So long a scrape waits at most: less than the ten seconds that Prometheus waits for it."""

_STALE_SECONDS = 30
"""Rows are told until they are older than twice their part's time and this. So a mart that a build
replaces at the moment leaves no gap, after which an alert would begin to wait anew."""

_RETRY_SECONDS = 300
"""So long after a failure a slow part is tried again; the others are at each scrape."""

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
        self._read: dict[str, tuple[float, Rows]] = {}
        self._failed: dict[str, tuple[float, str]] = {}
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
        if part.name in self._failed:
            return not part.is_slow or now - self._failed[part.name][0] >= _RETRY_SECONDS
        return part.name not in self._read or now - self._read[part.name][0] >= part.every

    def wait(self, seconds: float) -> None:
        """Wait for a reading, until so many seconds after its begin."""
        if self._thread is not None:
            self._thread.join(max(0.0, self._begun_at + seconds - time.monotonic()))

    def rows(self, part: Part) -> Rows | None:
        """The rows of a part; None where they were not read, or are old."""
        if part.name not in self._read:
            return None
        read_at, rows = self._read[part.name]
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
                        self._note_failure(left[0], error)
                    else:
                        self._read[left[0].name] = (time.monotonic(), rows)
                        self._failed.pop(left[0].name, None)
                    left.pop(0)
        # Whatever it was, the next scrape tries again.
        except Exception as error:
            for part in left:
                self._note_failure(part, error)

    def _note_failure(self, part: Part, error: Exception) -> None:
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        _, told = self._failed.get(part.name, (0.0, None))
        self._failed[part.name] = (time.monotonic(), why)
        if why != told:
            self._report(f"no metrics of {part.name} of the {self.side}: {why}")


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
