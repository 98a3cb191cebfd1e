"""The dashboard and the report on a small demo: their content, and their messages on failures.

Tests with a browser are skipped where there is no chromium.
"""

from __future__ import annotations

import csv
import math
import os
import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import compared_models
import numpy as np
import oracle_compared
import pytest
from browser import BIN, CHROMIUM, PAGES, QUIET, Tab, served, tabs
from compared_models import cases_of, compared, overlap_of, planted
from drills import eventually
from landscapes import Landscape
from playwright.sync_api import Browser, Dialog, sync_playwright
from scipy import stats
from shown_marts import (
    HOSTILE,
    draw,
    named,
    renamed,
    run,
    shown_marts,
    told,
)
from statsmodels.api import OLS

from runner.demo.embedded import EmbeddedPair
from runner.views.asked import Period, choices
from runner.views.dashboard.marts import LIMITS, Row, connect, reading
from runner.views.report.draft import Cells, Draft
from runner.views.report.write import Wanted, asked_for
from runner.views.sections import ensemble, journal, models, money, signals, versions

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
        named = "[...document.querySelectorAll('a[href^=\"#\"]')].map(a => a.hash.slice(1))"
        titles = seen.page.evaluate(named)
        assert len(titles) >= 4, name
        assert seen.page.evaluate(f"{named}.filter(id => !document.getElementById(id))") == [], name
    assert seen.wrong == []


def test_an_answer_at_a_glance_leads_to_its_section(address: str, tab: Callable[..., Tab]) -> None:
    seen = tab()
    seen.open(f"{address}/?window=1M&symbol=BTCUSD", "Now")
    seen.page.get_by_role("link", name="Journal: Open positions").click()
    seen.settled("Journal")
    found = urlsplit(seen.page.url)
    assert (found.path, found.fragment) == ("/journal", "open-positions")
    assert sorted(parse_qsl(found.query)) == [("symbol", "BTCUSD"), ("window", "1M")]
    top = "document.getElementById('open-positions').getBoundingClientRect().top"
    eventually(lambda: 0 <= seen.page.evaluate(top) < 900)
    assert len(seen.page.context.pages) == 1
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
    # Its prices, and where its profit went.
    assert seen.page.locator("[data-testid=stVegaLiteChart] svg").count() == 2

    with seen.page.expect_download() as download:
        heading = seen.page.get_by_role("heading", name="Find a signal")
        heading.locator("xpath=following::button[contains(., 'Download CSV')]").first.click()
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
        ("models?a=nobody", "Models", "There is no model 'nobody'"),
        ("models?b_day=yesterday", "Models", "are no days of the data"),
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
    seen.page.get_by_role("heading", name="Find a signal").wait_for()
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


# --- two models side by side -------------------------------------------------------------------

DAYS = Period(date(2025, 1, 3), date(2025, 1, 20))


@pytest.mark.parametrize("symbols", [(), ("BTCUSD", "ETHUSD")], ids=["all", "symbols"])
def test_differences_of_models_are_those_of_their_signals(
    marts: Landscape, symbols: tuple[str, ...]
) -> None:
    models = ("q_trader 1.0.0", "cycle_finder 1.0.0")
    rows = compared(marts, (models[0], DAYS), (models[1], DAYS), *symbols)
    (first, of_first), (second, of_second) = (
        cases_of(marts, model, DAYS, *symbols) for model in models
    )
    overlap = overlap_of(of_first, of_second)
    assert (rows["resolved"]["a"], rows["resolved"]["b"]) == (len(first), len(second))
    for name in oracle_compared.FIGURES:
        row = rows[name]
        expected = {
            "a": oracle_compared.value(name, first),
            "b": oracle_compared.value(name, second),
            "standard_error": oracle_compared.standard_error(name, first, second, overlap),
        }
        assert row["overlap_days"] == overlap
        for column, value in expected.items():
            near = None if value is None else pytest.approx(value, rel=1e-5)
            assert row[column] == near, (name, column)


def test_the_interval_of_a_difference_is_scipys(marts: Landscape) -> None:
    """Of signals a day on the same days, the paired one; on other days, Welch's; of several a
    day, that of statsmodels' clusters."""
    random = np.random.default_rng(5)
    models = ("q_trader 1.0.0", "cycle_finder 1.0.0")
    ids = [int(str(row[0])) for name in models for row in marts.on_replica(
        "select model_id from performance.model_skill where window_name = 'all'"
        f" and model_name || ' ' || model_version = '{name}'"
    )]  # fmt: skip
    days = Period(compared_models.FIRST_DAY, date(2025, 12, 31))

    def row_of(*sides: list[tuple[int, float]]) -> Row:
        with planted(marts, dict(zip(ids, sides, strict=True))):
            return compared(marts, (models[0], days), (models[1], days))["mean_return"]

    a, b = random.normal(0.001, 0.02, 40), random.normal(0.004, 0.03, 40)
    row = row_of(list(enumerate(a)), list(enumerate(b)))
    ends = stats.ttest_rel(b, a).confidence_interval()
    assert row["difference_95"] == pytest.approx((ends.low, ends.high), rel=1e-3)

    row = row_of(list(enumerate(a)), list(enumerate(b[:25], 100)))
    welch = stats.ttest_ind(b[:25], a, equal_var=False)
    assert row["difference"] / row["standard_error"] == pytest.approx(welch.statistic)

    several = [(int(day), float(value)) for day, value in zip(
        random.integers(0, 30, 200), random.normal(0, 0.02, 200), strict=True
    )]  # fmt: skip
    several = [(day, value + 0.01 * math.sin(day)) for day, value in several]
    both = (
        several[:120] + [(day, 0.0) for day in range(30)],
        several[120:] + [(day, 0.001) for day in range(30)],
    )
    row = row_of(*both)
    values = [value for side in both for _, value in side]
    design = [[1, side] for side in (0, 1) for _ in both[side]]
    fit = OLS(values, design).fit(
        cov_type="cluster", cov_kwds={"groups": [day for side in both for day, _ in side]}
    )
    freedom = (len(values) - 1) / (len(values) - 2)
    assert row["difference"] == pytest.approx(fit.params[1])
    assert row["standard_error"] * math.sqrt(freedom) == pytest.approx(fit.bse[1])

    assert row_of(list(enumerate(a[:4])), list(enumerate(b[:4])))["reading"] == "too few days"


def test_two_models_are_chosen_by_a_link(marts: Landscape, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHBOARD_URL", marts.replica.url)
    link: dict[str, str | list[str]] = {"a": "q_trader 1.0.0", "b": "cycle_finder 1.0.0"}
    drawn = draw("models", link)
    assert [drawn.selectbox(key=key).value for key in ("a", "b")] == list(link.values())
    (shown,) = [each.value for each in drawn.dataframe if "difference_told" in each.value]
    assert len(shown) == 13
    same = {"a": "q_trader 1.0.0", "b": "q_trader 1.0.0"}
    assert "does not differ from itself" in told(draw("models", same))
    days: dict[str, str | list[str]] = {"b_day": ["2025-01-12", "2025-01-20"]}
    text = str([each.value for each in draw("models", {**same, **days}).markdown])
    assert "Each over its own days" in text


def texts_of(value: object) -> Iterator[str]:
    """All texts in nested lists and dicts, but the names of fields."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, each in value.items():
            if name != "field":
                yield from texts_of(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from texts_of(each)


def test_no_word_of_the_marts_is_shown_as_it_is_stored(marts: Landscape) -> None:
    """In no cell and no chart, but for names that the platform and its modules gave."""
    with connect(marts.replica, LIMITS) as connection, reading(connection):
        draft = Draft(connection, marts.replica)
        asked = asked_for(Wanted(), choices(draft.rows))[0]
        for sections in (
            *(ensemble.SECTIONS, money.SECTIONS, journal.SECTIONS, signals.SECTIONS),
            (versions.SECTION, *models.SECTIONS),
        ):
            draft.draw(sections, asked)
    cells = [
        content.rows for part in draft.parts for _, content in part.blocks
        if isinstance(content, Cells)
    ]  # fmt: skip
    shown = {*texts_of(cells), *texts_of(draft.specs)}
    assert {"AI", "AI: all", "Rule-based: all", "stop loss", "not traded"} <= shown
    raw = {each for each in shown if re.match(r"(ai|traditional)(:|$)|[a-z]+(_[a-z]+)+$", each)}
    given = marts.on_primary(
        "select strategy from trade_plans union select pattern_type from micro_patterns"
        " union select tag from trading_orders"
    )
    assert raw - {str(name) for (name,) in given} == set()
