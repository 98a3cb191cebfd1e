"""What a watch counts while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, cast
from wsgiref.simple_server import WSGIRequestHandler

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    start_http_server,
)

from runner.build.watch import Round
from runner.errors import UsageError
from runner.monitoring.catalogue import NAMED
from runner.monitoring.collector import Collector

Page = Callable[[dict[str, Any], Any], Iterable[bytes]]
"""A page, as WSGI asks for it."""


class Metrics:
    """Counts of a watch, served over HTTP where a port is given, beside what a collector reads.

    ``pages`` are served at the same port, by their paths.
    """

    def __init__(
        self,
        address: str,
        port: int | None,
        collector: Collector,
        pages: Mapping[str, Page] | None = None,
    ) -> None:
        """Raises UsageError where the address or the port cannot be listened on."""
        # They would double the series; a watch tells its restarts by counters that begin at 0.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry = CollectorRegistry()
        self._rounds = _counter("rounds_total", registry)
        self._models = _counter("models_built_total", registry)
        self._troubles = _counter("troubles_total", registry)
        self._failed_samples = _counter("samples_failed_total", registry)
        self._seconds = _histogram(
            "round_seconds", (0.5, 1, 2, 3, 5, 10, 30, 60, 300, 900), registry
        )
        self._delivered = _histogram(
            "decision_delivery_seconds", (0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300), registry
        )
        fresh = NAMED["fresh_as_of_timestamp_seconds"]
        self._fresh = Gauge(fresh.full_name, fresh.help, fresh.labels, registry=registry)
        self._told_later: dict[str, Gauge] = {}
        for result in ("success", "failure"):
            self._rounds.labels(result)
        registry.register(collector)
        if port is not None:
            try:
                server, _ = start_http_server(port, address, registry)
            except OSError as error:
                raise UsageError(
                    f"the metrics cannot be served at {address}:{port}: {error.strerror}; "
                    "choose another --metrics-port"
                ) from None
            # A proxy lets through what it was told, and no other spelling of the metrics' path.
            of_prometheus = cast(Page, server.get_app())
            served = {"/": of_prometheus, "/metrics": of_prometheus, **(pages or {})}

            def serve(request: dict[str, Any], start: Any) -> Iterable[bytes]:
                return served.get(request.get("PATH_INFO", ""), _not_found)(request, start)

            server.set_app(serve)
            server.RequestHandlerClass = _Handler

    def count(self, done: Round) -> None:
        """Count a round."""
        self._rounds.labels("failure" if done.failures else "success").inc()
        self._models.inc(done.models)
        self._seconds.observe(done.seconds)
        if done.is_tested:
            self._set("tested_round_failures", len(done.failures))

    def count_trouble(self) -> None:
        """Count a time that something could not be done."""
        self._troubles.inc()

    def count_failed_sample(self) -> None:
        """Count a sample that could not be taken."""
        self._failed_samples.inc()

    def note_fresh(self, marts: str, seconds: float) -> None:
        """Note that marts (``live``, ``all``) hold all rows committed up to so many seconds ago."""
        self._fresh.labels(marts).set(time.time() - seconds)

    def note_delivered(self, seconds: list[float]) -> None:
        """Note the decisions that were delivered, each so many seconds after it was published."""
        for each in seconds:
            self._delivered.observe(each)

    def note_waiting(self, is_waiting: bool) -> None:
        """Note whether published decisions wait to be delivered."""
        self._set("decisions_waiting", is_waiting)

    def _set(self, name: str, value: float) -> None:
        """Set a gauge that has no value, and is not there, until it is set first."""
        if name not in self._told_later:
            metric = NAMED[name]
            self._told_later[name] = Gauge(metric.full_name, metric.help, registry=self.registry)
        self._told_later[name].set(value)


class _Handler(WSGIRequestHandler):
    """Waits for no client for long, and logs nothing."""

    timeout = 10

    def handle(self) -> None:
        with suppress(OSError):
            super().handle()

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing."""


def _not_found(request: dict[str, Any], start: Any) -> Iterable[bytes]:
    start("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
    return [b"The metrics are at /metrics\n"]


def _counter(name: str, registry: CollectorRegistry) -> Counter:
    metric = NAMED[name]
    return Counter(metric.full_name, metric.help, metric.labels, registry=registry)


def _histogram(name: str, buckets: Sequence[float], registry: CollectorRegistry) -> Histogram:
    metric = NAMED[name]
    return Histogram(metric.full_name, metric.help, buckets=buckets, registry=registry)
