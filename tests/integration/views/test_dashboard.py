"""The dashboard and the report on a small demo: their content, and their messages on failures.

Tests with a browser are skipped where there is no chromium.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import LiteralString

import pytest
import streamlit as st
from browser import BIN, CHROMIUM, PAGES, QUIET, TROUBLES, Tab, served, tabs
from drills import eventually
from landscapes import Landscape
from pgbouncer import needs_pgbouncer, pooler
from playwright.sync_api import Browser, Dialog, sync_playwright
from psycopg import errors, sql
from shown_marts import (
    HOSTILE,
    all_marts,
    draw,
    named,
    other_account,
    renamed,
    run,
    shown_marts,
    told,
)
from streamlit.testing.v1 import AppTest

from runner.demo.embedded import EmbeddedPair
from runner.servers.database import Database
from runner.views.dashboard.marts import LIMITS, connect, reading
from runner.views.report.write import write_report

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
    seen.open(f"{address}/signals?signal={signal_id}&symbol={symbol}&says=BUY", "Signals")
    told = seen.text()
    assert all(step in told for step in ("1 · Pattern", "2 · Signal", "3 · Plan", "5 · Outcome"))
    assert seen.page.locator("[data-testid=stVegaLiteChart] svg").count() == 1

    with seen.page.expect_download() as download:
        seen.page.get_by_role("button", name="Download CSV").last.click()
    download.value.save_as(tmp_path / "signals.csv")
    with (tmp_path / "signals.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {(row["symbol"], row["signal_type"]) for row in rows} == {(symbol, "BUY")}

    seen.open(f"{address}/performance?window=30d&symbol={symbol}", "Performance")
    assert seen.page.url.endswith(f"window=30d&symbol={symbol}")
    assert seen.wrong == []


@pytest.mark.parametrize(
    ("link", "heading", "told"),
    [
        (f"signals?symbol={HOSTILE}", "Signals", "There is no symbol"),
        ("signals?signal=nonsense", "Signals", "is no number of a signal"),
        ("signals?signal=999999999", "Signals", "There is no signal 999999999"),
        ("signals?day=1999-01-01&day=1999-02-01", "Signals", "No signals in this choice"),
        ("performance?day=2900-01-01&day=2900-02-01", "Performance", "No days in this choice"),
        ("performance?day=yesterday", "Performance", "are not two days"),
        ("models?model=nobody", "Models", "There is no model"),
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
    seen.page.wait_for_selector("text=Platform reports")
    assert "is not built yet" not in seen.text()
    assert seen.wrong == []


@pytest.fixture
def page(marts: Landscape, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], AppTest]:
    """Draws a page."""
    monkeypatch.setenv("DASHBOARD_URL", marts.replica.url)
    return draw


def test_an_empty_database(marts: Landscape, page: Callable[[str], AppTest]) -> None:
    with renamed(marts, *all_marts(marts), empty=True):
        for module, expected in {
            "now": "No decisions yet",
            "performance": "No closed day yet",
            "models": "No model yet",
            "signals": "No signals yet",
        }.items():
            assert expected in told(page(module)), module
        page("operations")


def test_marts_that_are_not_there(marts: Landscape, page: Callable[[str], AppTest]) -> None:
    with renamed(marts, *all_marts(marts)):
        for module in MODULES:
            assert "is not built yet; run signal-marts build" in told(page(module)), module
    assert "is not built yet" not in told(page("performance"))


def test_one_mart_that_is_dropped_spoils_its_own_part_alone(
    marts: Landscape, page: Callable[[str], AppTest]
) -> None:
    with renamed(marts, ("performance", "daily_performance")):
        drawn = page("performance")
        assert "performance.daily_performance is not built yet" in told(drawn)
        assert [metric.label for metric in drawn.metric][:2] == ["Net profit", "Return"]
        assert len(drawn.dataframe) == 4


def test_versions_are_shown_with_their_health(
    marts: Landscape, page: Callable[[str], AppTest]
) -> None:
    with marts.replica.connect() as connection:
        versions = connection.execute(
            "select model_name || ' ' || model_version from operations.model_health"
            " where health_date = (select max(health_date) from operations.model_health) order by 1"
        ).fetchall()
        history = connection.execute("select count(*) from operations.model_history").fetchall()
    drawn = page("models")
    tables = [set(each.value.columns) for each in drawn.dataframe]
    health = next(each.value for each in drawn.dataframe if "psi_confidence" in each.value.columns)
    assert [(name,) for name in health["model"]] == versions != []
    assert set(health["stage"]) <= {"champion", "shadow", "retired"}
    assert any("ended_at" in columns for columns in tables) == (history != [(0,)])
    assert "No alarm yet" in told(drawn) or any("alarm_date" in each for each in tables)
    assert "No version in shadow beside a champion" in told(drawn)


def test_money_is_that_of_the_account_that_is_chosen(
    marts: Landscape, page: Callable[[str], AppTest], tmp_path: Path
) -> None:
    drawn = page("performance")
    # One account is no choice, and has no currency to name.
    assert [each.label for each in drawn.selectbox] == []
    traditional = drawn.metric[0].delta
    assert "–" not in traditional

    with other_account(marts):
        drawn = page("performance")
        assert drawn.selectbox(key="account").options == ["main", "USDT: all accounts", "USDT: bot"]
        assert drawn.metric[0].label == "Net profit"
        assert drawn.metric[0].delta == traditional
        for account in ("USDT: all accounts", "USDT: bot"):
            drawn.selectbox(key="account").set_value(account).run()
            assert not drawn.exception
            labels = [metric.label for metric in drawn.metric]
            assert labels[0] == "Net profit USDT"
            assert "Unreconciled USDT" in labels
            # The platform's own strategies did not trade there.
            assert drawn.metric[0].delta == "traditional –"
            assert told(drawn) == ""
        path = tmp_path / "report.html"
        assert run("report", "--output", str(path), marts=marts).returncode == 0
        text = path.read_text("utf-8")
        titles = ("AI against traditional", "Does it add up?", "Trades by symbol", "Open positions")
        for title in titles:
            assert f">{title}</h2>" in text
            assert f">{title} USDT</h2>" in text


def test_old_decisions_are_called_stale(marts: Landscape, page: Callable[[str], AppTest]) -> None:
    assert "Stale." in told(page("now"))
    newest = "(select max(decided_at) from ensemble.ensemble_decisions)"
    ((age,),) = marts.on_replica(f"select now() - {newest}")
    move = sql.SQL("update ensemble.ensemble_decisions set decided_at = decided_at + %s")
    with marts.replica.connect() as connection:
        connection.execute(move, (age,))
    assert "Stale." not in told(page("now"))
    with marts.replica.connect() as connection:
        connection.execute(move, (-age,))  # type: ignore[operator]


@pytest.fixture(scope="module")
def viewer(marts: Landscape) -> Iterator[Database]:
    """The replica as a login that the guide makes for the dashboard."""
    marts.on_replica("create role viewer login password 'chosen' in role bi_reader")
    server = marts.replica.parameters()
    yield Database(
        "replica",
        f"postgresql://viewer:chosen@{server['host']}:{server['port']}/{server['dbname']}",
    )
    marts.on_replica("drop role viewer")


SESSION: LiteralString = """
    select current_user::text, current_setting('transaction_read_only'),
        current_setting('statement_timeout'), current_setting('TimeZone')
"""


def test_readers_are_bi_reader(viewer: Database) -> None:
    with connect(viewer, LIMITS) as connection:
        with reading(connection):
            assert connection.execute(SESSION).fetchone() == ("bi_reader", "on", "15s", "UTC")
        for refused, error in {
            "select 1 from staging.stg_ai__market_bars": errors.InsufficientPrivilege,
            "create temporary table mine (id bigint)": errors.ReadOnlySqlTransaction,
        }.items():
            with pytest.raises(error), reading(connection):
                connection.execute(refused)


def test_a_login_that_may_not_read(
    marts: Landscape,
    viewer: Database,
    page: Callable[[str], AppTest],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DASHBOARD_URL", viewer.url)
    marts.on_replica("revoke bi_reader from viewer")
    assert "viewer may not read as bi_reader" in told(page("now"))
    marts.on_replica("grant bi_reader to viewer")
    assert "may not read" not in told(page("now"))


@needs_pgbouncer
def test_through_a_pooler(
    viewer: Database,
    page: Callable[[str], AppTest],
    monkeypatch: pytest.MonkeyPatch,
    open_folder: Path,
    unused_port: Callable[[], int],
) -> None:
    with pooler(viewer, open_folder, unused_port(), "default_pool_size = 1") as pooled:
        monkeypatch.setenv("DASHBOARD_URL", pooled.url)
        for module in MODULES:
            notes = told(page(module))
            assert not any(state in notes for state in TROUBLES), (module, notes)
        path = open_folder / "report.html"
        write_report(pooled, path, days=30)
        assert path.stat().st_size > 500_000
        # Who comes next on the same session finds nothing of ours.
        with connect(pooled, LIMITS) as connection:
            assert connection.execute(SESSION).fetchone() == ("viewer", "off", "0", "UTC")
            with reading(connection):
                assert connection.execute(SESSION).fetchone() == ("bi_reader", "on", "15s", "UTC")
    st.cache_resource.clear()


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
        written = run("report", "--output", str(path), "--days", "30", marts=marts)
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


def test_a_report_of_no_days(marts: Landscape, tmp_path: Path) -> None:
    refused = run(
        "report", "--output", str(tmp_path / "r.html"), "--until", "1999-01-31", marts=marts
    )
    assert refused.returncode == 2
    assert "there are no days from 1998-11-03 to 1999-01-31; the marts have" in refused.stderr
    assert not list(tmp_path.iterdir())


def test_rows_that_cannot_be_used_are_listed(
    marts: Landscape, page: Callable[[str], AppTest], tmp_path: Path
) -> None:
    """On the page of operations and in the report, as they are written."""
    marts.on_replica(
        "insert into changes.rejected_rows values"
        " ('public.trading_orders', '17', '{\"id\": 17}', 'status', '<b>lost</b>',"
        " 'none of NEW, FILLED', '2025-03-01Z')"
    )
    try:
        tables = [frame.value.astype(str) for frame in page("operations").dataframe]
        assert any("<b>lost</b>" in table.to_string() for table in tables)
        path = tmp_path / "report.html"
        assert run("report", "--output", str(path), marts=marts).returncode == 0
        text = path.read_text("utf-8")
        assert "none of NEW, FILLED" in text
        assert "&lt;b&gt;lost" in text
        assert "<b>lost" not in text
    finally:
        marts.on_replica("delete from changes.rejected_rows where row_key = '17'")
