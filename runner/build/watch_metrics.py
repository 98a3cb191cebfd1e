"""The metrics of a watch, for Prometheus."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from runner.build.watch import Round
from runner.errors import UsageError


class Metrics:
    """Counts of a watch, served over HTTP where a port is given."""

    def __init__(self, address: str, port: int | None) -> None:
        """Raises UsageError where the address or the port cannot be listened on."""
        registry = CollectorRegistry()
        self._rounds = Counter(
            "signal_marts_rounds", "Builds that ended.", ["result"], registry=registry
        )
        self._models = Counter(
            "signal_marts_models_built", "Models that were built.", registry=registry
        )
        self._seconds = Histogram(
            "signal_marts_round_seconds",
            "From before a build's fence until its models were visible.",
            buckets=(0.5, 1, 2, 3, 5, 10, 30, 60, 300, 900),
            registry=registry,
        )
        self._troubles = Counter(
            "signal_marts_troubles",
            "Times that a server could not be used, the replica not catch up, or a model failed.",
            registry=registry,
        )
        self._failed_samples = Counter(
            "signal_marts_samples_failed",
            "Samples of the servers' statistics that could not be taken.",
            registry=registry,
        )
        self._fresh = Gauge(
            "signal_marts_fresh_as_of_timestamp_seconds",
            "What the primary had committed by then is in the marts, the live ones or all.",
            ["marts"],
            registry=registry,
        )
        for result in ("success", "failure"):
            self._rounds.labels(result)
        if port is not None:
            try:
                start_http_server(port, address, registry)
            except OSError as error:
                raise UsageError(
                    f"the metrics cannot be served at {address}:{port}: {error.strerror}; "
                    "choose another --metrics-port"
                ) from None

    def count(self, done: Round) -> None:
        """Count a round."""
        self._rounds.labels("failure" if done.failures else "success").inc()
        self._models.inc(done.models)
        self._seconds.observe(done.seconds)

    def count_trouble(self) -> None:
        """Count a time that something could not be done."""
        self._troubles.inc()

    def count_failed_sample(self) -> None:
        """Count a sample that could not be taken."""
        self._failed_samples.inc()

    def note_fresh(self, marts: str, seconds: float) -> None:
        """Note that marts (``live``, ``all``) hold all rows committed up to so many seconds ago."""
        self._fresh.labels(marts).set(time.time() - seconds)
