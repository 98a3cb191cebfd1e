"""A scrape of servers that are not there, or do not answer."""

from __future__ import annotations

import socket
import threading

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from runner.build.watch import Round
from runner.errors import UsageError
from runner.monitoring.catalogue import METRICS, NAMED, PARTS, PREFIX
from runner.monitoring.collector import Collector
from runner.monitoring.reading import _READ_BY
from runner.monitoring.watched import Metrics
from runner.servers.database import Database
from runner.settings import PROJECT


def url(port: int) -> str:
    return f"postgresql://nobody@127.0.0.1:{port}/none?connect_timeout=60"


def test_a_server_that_does_not_answer_keeps_no_scrape_waiting() -> None:
    """Neither one that is not there, nor one that takes a connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        primary, replica = (
            Database(side, url(bound.getsockname()[1]))
            for side, bound in (("primary", silent), ("replica", closed))
        )
        reports: list[str] = []
        registry = CollectorRegistry()
        collector = Collector(primary, replica, reports.append, 0.5)
        registry.register(collector)
        texts = [generate_latest(registry).decode() for _ in range(3)]
        # A reading that hangs is not begun again.
        assert [each.name for each in threading.enumerate()].count("metrics of the primary") == 1
        told_by_then = list(reports)
    for text in texts:
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        told = [line for line in lines if not line.startswith("signal_marts_read_timestamp")]
        assert sorted(told) == sorted(
            f'signal_marts_seen{{part="{part.name}",side="{side}"}} 0.0'
            for part in PARTS.values()
            for side in part.sides
        )
    # Each part is reported once, and not by each scrape.
    assert len(set(told_by_then)) == len(told_by_then)
    assert {text.split()[3] for text in told_by_then} == {
        part.name for part in PARTS.values() if "replica" in part.sides
    }
    assert all("cannot connect" in text for text in told_by_then)


def test_a_port_that_is_taken_is_refused() -> None:
    here = Database("primary", url(1))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=f"cannot be served at 127.0.0.1:{port}"):
            Metrics("127.0.0.1", port, Collector(here, here, print))


def test_what_a_watch_has_not_seen_yet_is_absent() -> None:
    """A tested round's failures stay until the next one's; a round without tests says nothing."""
    here = Database("primary", url(1))
    metrics = Metrics("127.0.0.1", None, Collector(here, here, print, 0.5))

    def told() -> dict[str, float | None]:
        return {
            name: metrics.registry.get_sample_value(PREFIX + name)
            for name in ("tested_round_failures", "decisions_waiting")
        }

    def count(failures: tuple[str, ...], *, is_tested: bool) -> None:
        metrics.count(Round(1, None, 1, is_tested, True, failures, 1, {}))

    count(("a",), is_tested=False)
    assert told() == {"tested_round_failures": None, "decisions_waiting": None}
    count(("a", "b"), is_tested=True)
    count((), is_tested=False)
    metrics.note_waiting(is_waiting=True)
    assert told() == {"tested_round_failures": 2, "decisions_waiting": 1}
    count((), is_tested=True)
    metrics.note_waiting(is_waiting=False)
    assert told() == {"tested_round_failures": 0, "decisions_waiting": 0}


def test_every_part_has_one_source_and_metrics() -> None:
    files = {path.stem for path in (PROJECT / "runner/monitoring/sql").iterdir()}
    assert files | _READ_BY.keys() == PARTS.keys() == METRICS.keys() - {"reading", "watch"}
    assert not files & _READ_BY.keys()
    assert len(NAMED) == sum(map(len, METRICS.values()))
