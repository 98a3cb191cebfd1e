"""How long the dashboard's pages take on large marts, beside the same pages on small ones.

Two replicas are filled and built: 1 million signals, 1 million bars and 500,000 orders of 200
symbols, and a hundredth of it over the same days. Each is served by a dashboard of its own. A
browser opens each page on both by turns; no rows are kept from one turn to the next. Told are
the medians of the seconds until the first chart is drawn, and until the whole page is: the aims are
1 and 2 on a quiet machine. Then each question of the pages that takes the filters alone is asked
of both, of all days: the aim is half a second, and those that take a tenth are told.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright
from scale import FULL, SMALL, Size, add_history, deployed_replica, servers

from runner.build import transform
from runner.servers.database import Database
from runner.views.asked import Asked, choices, parameters_of
from runner.views.dashboard.data import KEPT_SECONDS
from runner.views.dashboard.marts import LIMITS, Row, ask, connect, reading

PATIENCE = 300_000
"""Milliseconds: on a busy machine a page takes minutes, and is still to be told."""
PAGES = ("", "performance", "journal", "models", "signals", "operations")
_DRAWN = (
    "document.querySelector('[data-test-script-state=notRunning]')"
    " && !document.querySelector('[data-testid=stSkeleton]')"
    " && !document.querySelector('[data-stale=true]')"
)
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Fill, build, serve, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a quick try")
    parser.add_argument("--turns", type=int, default=3, help="how often each page is opened")
    chosen = parser.parse_args(arguments)
    large = SMALL if chosen.small else FULL
    with ExitStack() as stack:
        pair = stack.enter_context(servers())
        replicas = {
            name: _built(deployed_replica(pair, name), size)
            for name, size in (("large", large), ("little", _hundredth(large)))
        }
        addresses = {
            name: stack.enter_context(_served(replica)) for name, replica in replicas.items()
        }
        playwright = stack.enter_context(sync_playwright())
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=_ARGUMENTS
        )
        stack.callback(browser.close)
        print(f"{large.signals:,} signals, beside a hundredth of it over the same days; seconds")
        _print_pages(browser, addresses, chosen.turns)
        _print_questions(*replicas.values())


def _hundredth(size: Size) -> Size:
    """As many days, of a hundredth of the symbols."""
    small = size.times(0.01)
    return replace(small, symbols=max(size.symbols // 100, 1))


def _built(replica: Database, size: Size) -> Database:
    add_history(replica, size)
    with tempfile.TemporaryDirectory(prefix="signal-marts-bench-") as target:
        result = transform.build(
            replica.environment(),
            advance=lambda done, total, at: None,
            exclude=("resource_type:test", "resource_type:unit_test"),
            target=Path(target),
        )
    if result.failures:
        raise SystemExit("\n".join(f"{node.name}: {node.message}" for node in result.failures))
    return replica


@contextmanager
def _served(replica: Database) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "runner", "dashboard", "--port", str(port)],
        env=os.environ | {"DASHBOARD_URL": replica.url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
                break
            except OSError:
                time.sleep(0.1)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _print_pages(browser: Browser, addresses: dict[str, str], turns: int) -> None:
    seconds: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for turn in range(turns + 1):
        began = time.monotonic()
        for page in PAGES:
            for name, address in addresses.items():
                found = _opened(browser, f"{address}/{page}")
                if turn:  # The first one loads the libraries.
                    seconds.setdefault((page, name), []).append(found)
        # Rows that are kept would be found again.
        time.sleep(max(0.0, KEPT_SECONDS + 1 - (time.monotonic() - began)))
    print(f"  {'page':14}{'until the first chart':>30}{'until all is drawn':>30}")
    for page in PAGES:
        large, little = (
            [statistics.median(each) for each in zip(*seconds[page, name], strict=True)]
            for name in addresses
        )
        told = "".join(
            f"{a:10.2f}{b:10.2f}{a / b:8.2f} x" for a, b in zip(large, little, strict=True)
        )
        print(f"  {page or 'now':14}{told}")


def _opened(browser: Browser, url: str) -> tuple[float, float]:
    """Seconds until a page's first chart (its whole, where it has none), and until the whole."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    try:
        began = time.perf_counter()
        page.goto(url)
        page.wait_for_selector("h1", timeout=PATIENCE)
        page.wait_for_function(
            f"document.querySelector('[data-testid=stVegaLiteChart] svg') || ({_DRAWN})",
            timeout=PATIENCE,
        )
        first = time.perf_counter() - began
        page.wait_for_function(_DRAWN, timeout=PATIENCE)
        return first, time.perf_counter() - began
    finally:
        context.close()


def _print_questions(large: Database, little: Database) -> None:
    asked = {name: (_asked(large, name), _asked(little, name)) for name in _questions()}
    print(f"  {'question':34}{'seconds':>10}")
    for name, (slow, quick) in sorted(asked.items(), key=lambda each: -each[1][0]):
        if slow >= 0.1:
            print(f"  {name:34}{slow:10.2f}{quick:10.2f}{slow / quick:8.2f} x")


def _questions() -> list[str]:
    """Those that take no more than the filters."""
    given = Asked().parameters().keys() | {"count", "relations", "signal_types"}
    files = resources.files("runner.views.dashboard").joinpath("sql").iterdir()
    names = sorted(each.name.removesuffix(".sql") for each in files)
    return [name for name in names if parameters_of(name) <= given]


def _asked(replica: Database, name: str) -> float:
    """Seconds that a question takes of all days, the median of three."""
    with connect(replica, LIMITS) as session:

        def answered(question: str, **parameters: Any) -> list[Row]:
            with reading(session):
                return ask(session, question, parameters)

        found = choices(answered)
        given = Asked(found, account=found.accounts[0]).parameters()
        given |= {"count": 500, "relations": None, "signal_types": None}
        took = []
        for _ in range(3):
            began = time.perf_counter()
            answered(name, **given)
            took.append(time.perf_counter() - began)
        return statistics.median(took)


if __name__ == "__main__":
    main()
