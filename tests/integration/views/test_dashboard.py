"""The dashboard and the report on a small demo: their content, and their messages on failures.

Tests with a browser are skipped where there is no chromium.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from browser import BIN, CHROMIUM, PAGES, QUIET, Tab, served, tabs
from drills import eventually
from landscapes import Landscape
from playwright.sync_api import Browser, Dialog, sync_playwright
from shown_marts import (
    HOSTILE,
    named,
    renamed,
    run,
    shown_marts,
)

from runner.demo.embedded import EmbeddedPair

MODULES = tuple(page.lower() for page in PAGES)


@pytest.fixture(scope="module")
def marts(pair: EmbeddedPair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Landscape]:
    with shown_marts(pair, tmp_path_factory.mktemp("dbt")) as made:
        yield made


@pytest.fixture(scope="module")
def address(marts: Landscape) -> Iterator[str]:
    """Where the command serves the dashboard."""
    with served(BIN, env=os.environ | {"DASHBOARD_URL": marts.replica.url}) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no chromium here; apt-get install chromium")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)


@pytest.fixture
def tab(browser: Browser) -> Iterator[Callable[..., Tab]]:
    with tabs(browser) as open_tab:
        yield open_tab


# --- the walk ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_every_page(address: str, tab: Callable[..., Tab], width: int, scheme: str) -> None:
    seen = tab(width=width, scheme=scheme)
    seen.open(address, "Now")
    for name in PAGES:
        if name != PAGES[0]:
            seen.page.get_by_role("link", name=name, exact=True).click()
            seen.settled(name)
        assert seen.page.query_selector("[data-testid=stException]") is None, name
        assert seen.faults() == [], name
        assert (
            seen.page.evaluate(
                "(main => main.scrollWidth - main.clientWidth)"
                "(document.querySelector('[data-testid=stMain]'))"
            )
            == 0
        ), f"{name} is wider than the screen"
    assert seen.wrong == []


def test_links_lead_to_what_they_name(
    address: str, marts: Landscape, tab: Callable[..., Tab], tmp_path: Path
) -> None:
    ((signal_id, symbol),) = marts.on_replica(
        "select max(signal_id), min(symbol) from ensemble.signal_confluence as c"
        " where signal_id = (select max(signal_id) from performance.trades)"
    )
    seen = tab()
    seen.open(f"{address}/signals?signal={signal_id}&symbol={symbol}&side=BUY", "Signals")
    told = seen.text()
    assert all(step in told for step in ("1 · Pattern", "2 · Signal", "3 · Plan", "5 · Outcome"))
    assert seen.page.locator("[data-testid=stVegaLiteChart] svg").count() == 1

    with seen.page.expect_download() as download:
        seen.page.get_by_role("button", name="Download CSV").nth(-2).click()
    download.value.save_as(tmp_path / "signals.csv")
    with (tmp_path / "signals.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {(row["symbol"], row["signal_type"]) for row in rows} == {(symbol, "BUY")}

    assert {"signal_id", "executed_net_profit"} <= rows[0].keys()
    assert seen.wrong == []


def test_filters_and_the_tab_stay_from_page_to_page(
    address: str, marts: Landscape, tab: Callable[..., Tab]
) -> None:
    chosen = "window=1M&symbol=BTCUSD&symbol=ETHUSD"
    seen = tab()
    seen.open(f"{address}/?{chosen}", "Now")
    for name in (*PAGES[1:], PAGES[0]):
        seen.page.get_by_role("link", name=name, exact=True).click()
        seen.settled(name)
        assert sorted(parse_qsl(urlsplit(seen.page.url).query)) == sorted(parse_qsl(chosen)), name
    table = seen.page.locator("[data-testid=stDataFrame]").last
    table.scroll_into_view_if_needed()
    box = table.bounding_box()
    assert box is not None
    seen.page.mouse.click(box["x"] + 30, box["y"] + 60)
    seen.settled("Signals")
    asked = parse_qsl(urlsplit(seen.page.url).query)
    assert sorted(each for each in asked if each[0] != "signal") == sorted(parse_qsl(chosen))
    ((signal_id,),) = marts.on_replica(
        "select signal_id from ensemble.signal_confluence where symbol in ('BTCUSD', 'ETHUSD')"
        " order by created_at desc, signal_id desc limit 1"
    )
    assert ("signal", str(signal_id)) in asked
    assert len(seen.page.context.pages) == 1
    assert seen.wrong == []


@pytest.mark.parametrize(
    ("link", "heading", "told"),
    [
        (f"signals?symbol={HOSTILE}", "Signals", "There is no symbol"),
        ("signals?side=UP&relation=none", "Signals", "There is no side 'UP'"),
        ("operations?build=nope", "Operations", "There is no build"),
        ("performance?window=30d", "Performance", "There are 1M, 3M, 1Y, All"),
        ("signals?signal=nonsense", "Signals", "is no number of a signal"),
        ("signals?signal=999999999", "Signals", "There is no signal 999999999"),
        ("signals?day=1999-01-01&day=1999-02-01", "Signals", "All days are shown"),
        ("performance?day=yesterday", "Performance", "are no days of the data"),
        ("models?source=nobody", "Models", "There is no source"),
        ("?of=nothing", "Now", "There is no symbol"),
    ],
    ids=lambda value: value.split("?")[-1].split("=")[0] if "?" in value else "",
)
def test_a_link_that_names_nothing(
    address: str, tab: Callable[..., Tab], link: str, heading: str, told: str
) -> None:
    seen = tab()
    seen.open(f"{address}/{link}", heading)
    assert told in seen.text()
    assert seen.page.query_selector("[data-testid=stException]") is None
    assert seen.wrong == []


def test_names_are_shown_and_do_nothing(
    address: str, marts: Landscape, tab: Callable[..., Tab]
) -> None:
    with named(marts, HOSTILE):
        seen = tab()
        dialogs: list[Dialog] = []
        seen.page.on("dialog", lambda dialog: dialogs.append(dialog))
        for name in ("Signals", "Performance"):
            seen.open(f"{address}/{name.lower()}", name)
        # What was asked before the change is kept for some seconds.
        eventually(lambda: HOSTILE in seen.opened(address, "Now"))
        assert dialogs == []
        assert seen.page.locator("img[src=x]").count() == 0
    assert marts.on_replica("select count(*) > 0 from ensemble.signal_confluence") == [(True,)]


def test_a_replica_that_stops_and_returns(
    address: str, pair: EmbeddedPair, tab: Callable[..., Tab]
) -> None:
    seen = tab()
    seen.open(address, "Now")
    pair.replica.stop()
    try:
        # A page that nobody has asked for yet, so that no answer is kept of it.
        seen.page.goto(f"{address}/signals?signal=7&day=2025-01-02&day=2025-01-03")
        seen.page.wait_for_selector("text=The marts cannot be read")
        assert "password" not in seen.text()
    finally:
        pair.replica.start()
    seen.page.wait_for_selector("text=Find a signal")
    assert "The marts cannot be read" not in seen.text()


def test_a_mart_that_is_dropped_and_returns(
    address: str, marts: Landscape, tab: Callable[..., Tab]
) -> None:
    seen = tab()
    with renamed(marts, ("performance", "daily_performance")):
        # Days that nobody has asked for yet, so that no answer is kept of them.
        seen.open(f"{address}/performance?day=2025-01-02&day=2025-01-03", "Performance")
        assert "performance.daily_performance is not built yet" in seen.text()
    seen.page.wait_for_selector("text=Platform P&L")
    assert "is not built yet" not in seen.text()
    assert seen.wrong == []


# --- the command and the report ---------------------------------------------------------------


def test_a_port_that_is_taken(marts: Landscape, address: str) -> None:
    port = address.rpartition(":")[2]
    refused = run("dashboard", "--port", port, marts=marts)
    assert refused.returncode == 2
    assert refused.stderr == (
        f"signal-marts: cannot listen on 127.0.0.1:{port} (Address already in use); "
        "choose another --port or --address\n"
    )


@pytest.fixture(scope="module")
def report(marts: Landscape, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    with renamed(marts, ("training", "rl_progress")):
        written = run("report", "--output", str(path), "--window", "1M", marts=marts)
    assert written.returncode == 0, written.stderr
    assert written.stdout == f"{path}\n"
    return path


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_report(report: Path, tab: Callable[..., Tab], width: int, scheme: str) -> None:
    assert report.stat().st_size < 2_000_000
    seen = tab(width=width, scheme=scheme)
    seen.page.goto(report.as_uri())
    charts = seen.page.locator("[data-chart]").count()
    assert charts >= 5
    eventually(lambda: seen.page.locator("[data-chart] svg").count() == charts)
    assert seen.page.evaluate("document.documentElement.scrollWidth") == width
    assert "training.rl_progress is not built yet" in seen.page.inner_text("main")
    assert seen.faults() == []
    assert seen.wrong == []
