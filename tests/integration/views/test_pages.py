"""The pages without a browser, and the report: the same numbers, and what they say on failures."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, LiteralString

import children
import numpy as np
import oracle_journal as journal
import pandas as pd
import pytest
import random_numbers
import streamlit as st
import yaml
from browser import BIN, PAGES, TROUBLES
from landscapes import Landscape
from pgbouncer import needs_pgbouncer, pooler
from psycopg import sql
from shown_cells import SECTIONS, is_part, shown_by_page, shown_by_report
from shown_marts import all_marts, draw, other_account, renamed, run, shown_marts, told
from shown_numbers import Shown
from statsmodels.api import OLS
from streamlit.testing.v1 import AppTest

from runner.build import transform
from runner.demo.embedded import EmbeddedPair
from runner.servers.database import Database
from runner.settings import PROJECT
from runner.views import tables
from runner.views.asked import WINDOWS, Asked, choices
from runner.views.dashboard.marts import LIMITS, ask, connect, reading
from runner.views.dashboard.wording import total
from runner.views.report.write import Wanted, write_report
from runner.views.surface import Table

MODULES = tuple(page.lower() for page in PAGES)


@pytest.fixture(scope="module")
def marts(pair: EmbeddedPair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Landscape]:
    with shown_marts(pair, tmp_path_factory.mktemp("dbt")) as made:
        yield made


@pytest.fixture
def page(marts: Landscape, monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """Draws a page."""
    monkeypatch.setenv("DASHBOARD_URL", marts.replica.url)
    return draw


@pytest.mark.parametrize(
    ("link", "wanted"),
    [
        ({}, Wanted()),
        ({"window": "1M", "symbol": "BTCUSD"}, Wanted("1M", symbols=("BTCUSD",))),
        (
            {"day": ["2025-01-06", "2025-01-14"], "source": "q_trader 1.0.0"},
            Wanted("All", date(2025, 1, 6), date(2025, 1, 14), sources=("q_trader 1.0.0",)),
        ),
    ],
    ids=["all", "window", "days"],
)
@pytest.mark.parametrize("name", SECTIONS)
def test_the_report_agrees_with_the_page_to_the_digit(
    marts: Landscape,
    page: Callable[..., AppTest],
    name: str,
    link: dict[str, str | list[str]],
    wanted: Wanted,
) -> None:
    figures, tables = shown_by_page(page(name, link))
    reported_figures, reported = shown_by_report(marts.replica, wanted, name)
    assert figures == reported_figures
    # The model closed no trade on these days.
    assert (figures == []) == ("day" in link and name == "journal")
    assert [len(rows) for rows in tables] == [len(rows) for rows in reported] != []
    for page_rows, rows in zip(tables, reported, strict=True):
        assert all(is_part(few, many) for few, many in zip(rows, page_rows, strict=True)), rows


@pytest.mark.parametrize("window", WINDOWS)
def test_a_period_adds_up_to_what_the_marts_have_of_its_window(
    marts: Landscape, window: str
) -> None:
    names = "days, trades, net_profit, total_return, hit_rate, profit_factor, expectancy,"
    names += " max_drawdown, exposure"
    with connect(marts.replica, LIMITS) as connection, reading(connection):
        has = choices(lambda question: ask(connection, question, {}))
        asked = Asked(has, window=window).parameters()
        of_days = {
            row["source"]: [row[name] for name in names.replace(",", "").split()]
            for row in ask(connection, "source_performance", asked)
        }
        by_symbol = ask(connection, "trades_by_symbol", asked)
    for source, *row in marts.on_replica(
        f"select source_type || ': ' || source_name, {names} from performance.source_performance"
        f" where window_name = '{WINDOWS[window]}' and days > 0"
    ):
        assert of_days.pop(source) == [float(v) if isinstance(v, Decimal) else v for v in row]
    assert of_days == {}
    ((every,),) = marts.on_replica(
        "select sum(net_profit) from performance.source_performance"
        f" where window_name = '{WINDOWS[window]}' and source_name = 'all'"
    )
    assert float(total(row["net_profit"] for row in by_symbol)) == float(str(every))


def test_an_empty_database(marts: Landscape, page: Callable[..., AppTest]) -> None:
    with renamed(marts, *all_marts(marts), empty=True):
        for module, expected in {
            "now": "No decisions yet",
            "performance": "No closed day yet",
            "journal": "No trade yet",
            "models": "No model yet",
            "signals": "No signals yet",
        }.items():
            assert expected in told(page(module)), module
        page("operations")


def test_marts_that_are_not_there(marts: Landscape, page: Callable[..., AppTest]) -> None:
    with renamed(marts, *all_marts(marts)):
        for module in MODULES:
            assert "is not built yet; run signal-marts build" in told(page(module)), module
    assert "is not built yet" not in told(page("performance"))


def test_one_mart_that_is_dropped_spoils_its_own_part_alone(
    marts: Landscape, page: Callable[..., AppTest]
) -> None:
    with renamed(marts, ("performance", "daily_performance")):
        drawn = page("performance")
        assert "performance.daily_performance is not built yet" in told(drawn)
        assert [metric.label for metric in drawn.metric][:2] == ["Realized P&L", "Return"]
        assert len(drawn.dataframe) == 2


def test_versions_are_shown_with_their_health(
    marts: Landscape, page: Callable[..., AppTest]
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
    marts: Landscape, page: Callable[..., AppTest], tmp_path: Path
) -> None:
    drawn = page("performance")
    # One account is no choice, and has no currency to name.
    assert [each.label for each in drawn.selectbox] == []
    traditional = drawn.metric[0].delta
    assert "–" not in traditional

    with other_account(marts):
        drawn = page("performance")
        assert drawn.selectbox(key="account").options == ["main", "USDT: all accounts", "USDT: bot"]
        assert drawn.metric[0].label == "Realized P&L"
        assert drawn.metric[0].delta == traditional
        for account in ("USDT: all accounts", "USDT: bot"):
            drawn.selectbox(key="account").set_value(account).run()
            assert not drawn.exception
            labels = [metric.label for metric in drawn.metric]
            assert labels[0] == "Realized P&L USDT"
            assert "Unexplained P&L USDT" in labels
            # The platform's own strategies did not trade there.
            assert drawn.metric[0].delta == "rule-based –"
            assert told(drawn) == ""
        path = tmp_path / "report.html"
        assert run("report", "--output", str(path), marts=marts).returncode == 0
        text = path.read_text("utf-8")
        titles = ("AI vs. rule-based", "P&amp;L reconciliation", "Trades by symbol")
        for title in titles:
            assert f">{title}</h2>" in text
            assert f">{title} USDT</h2>" in text


def asked_rows(marts: Landscape, question: str, **others: Any) -> list[dict[str, Any]]:
    """What a question tells of everything."""
    with connect(marts.replica, LIMITS) as connection, reading(connection):
        has = choices(lambda name: ask(connection, name, {}))
        asked = Asked(has, account=has.accounts[0]).parameters()
        return ask(connection, question, asked | {"count": 10_000} | others)


def bars_of(marts: Landscape) -> pd.DataFrame:
    names = ["symbol", "opened_at", "closed_at", "low_price", "high_price", "close_price"]
    rows = marts.on_replica(f"select {', '.join(names)} from performance.price_bars order by 2")
    return pd.DataFrame(rows, columns=names)


def test_excursions_and_risk_are_those_of_bars_and_stops(marts: Landscape) -> None:
    """Of each trade, by looking at every bar."""
    names = ["symbol", "direction", "quantity", "entry_price", "exit_price", "stop_price"]
    names += ["net_profit", "initial_risk", "r_multiple", "mae", "mfe", "entry_at", "exit_at"]
    bars = dict(list(bars_of(marts).groupby("symbol")))
    seen = set()
    for found in marts.on_replica(f"select {', '.join(names)} from performance.trades"):
        row: dict[str, Any] = dict(zip(names, found, strict=True))
        expected = journal.excursions(row, bars[row["symbol"]])
        assert (row["mae"] is None) == (expected is None), row
        assert expected is None or expected == pytest.approx((row["mae"], row["mfe"]), rel=1e-12)
        risk = None
        if row["stop_price"] is not None:
            sign = 1 if row["direction"] == "LONG" else -1
            distance = sign * (row["entry_price"] - row["stop_price"])
            risk = distance * row["quantity"] if distance > 0 else None
        assert row["initial_risk"] == risk
        r = None if risk is None else pytest.approx(float(row["net_profit"] / risk), rel=1e-12)
        assert row["r_multiple"] == r
        seen.add((expected is None, risk is None, row["direction"]))
    assert {each[2] for each in seen} == {"LONG", "SHORT"}
    assert {each[:2] for each in seen} >= {(False, False)}


def test_buy_and_hold_is_as_pandas_says(marts: Landscape) -> None:
    bars = bars_of(marts)
    traded = {name for (name,) in marts.on_replica("select symbol from performance.trades")}
    closes = {
        symbol: of.set_index("closed_at")["close_price"].astype(float)
        for symbol, of in bars.groupby("symbol")
        if symbol in traded
    }
    rows = asked_rows(marts, "buy_and_hold")
    days = [pd.Timestamp(row["trading_date"], tz="UTC") for row in rows]
    values = journal.buy_and_hold(closes, days, 100_000.0)
    assert [row["held_value"] for row in rows] == pytest.approx(values, rel=1e-12)
    assert rows[0]["start_value"] == pytest.approx(100_000, rel=1e-12)
    starts = [row["start_value"] for row in rows[1:]]
    assert starts == [row["held_value"] for row in rows[:-1]]


def test_the_journals_sums_are_those_of_its_trades(marts: Landscape) -> None:
    """By numpy, from the rows of the trades."""
    trades = pd.DataFrame(asked_rows(marts, "trades")).astype({"net_profit": float})
    profits = trades["net_profit"].to_numpy()
    (made,) = asked_rows(marts, "trade_results")
    wins, losses = profits[profits > 0], profits[profits < 0]
    assert (made["trades"], made["wins"], made["losses"]) == (len(profits), len(wins), len(losses))
    expected = {
        "average_win": wins.mean(),
        "average_loss": losses.mean(),
        "payoff_ratio": wins.mean() / -losses.mean(),
        "expectancy": profits.mean(),
        "profit_deviation": profits.std(),
        "mean_r": trades["r_multiple"].dropna().mean(),
        "mean_held_seconds": (trades["exit_at"] - trades["entry_at"]).dt.total_seconds().mean(),
    }
    assert {name: made[name] for name in expected} == pytest.approx(expected, rel=1e-9)
    edges = [-40.0, -10.0, 0.0, 10.0, 40.0]
    bins = asked_rows(marts, "trade_bins", profit_edges=edges, r_edges=[-1.0, 0.0, 1.0])
    for figure, values, inner in (
        ("profit", profits, edges),
        ("r", trades["r_multiple"].dropna().to_numpy(), [-1.0, 0.0, 1.0]),
    ):
        counts, _ = np.histogram(values, bins=[-np.inf, *inner, np.inf])
        found = {row["bin"]: row["trades"] for row in bins if row["figure"] == figure}
        assert [found.get(place, 0) for place in range(len(counts))] == list(counts)
    by_day = trades.groupby(trades["exit_at"].dt.date)["net_profit"].sum()
    days = {row["trading_date"]: row["net_profit"] for row in asked_rows(marts, "trade_days")}
    assert days == pytest.approx(by_day.to_dict(), abs=1e-9)


def test_the_difference_a_day_is_that_of_statsmodels(marts: Landscape) -> None:
    """The mean of the days' differences, with the error of Newey and West."""
    (found,) = asked_rows(marts, "daily_difference", lead="ai: all", other="traditional: all")
    rows = marts.on_replica(
        "select trading_date, sum(case source_type when 'ai' then net_profit else -net_profit end)"
        " from performance.source_performance_daily where source_name = 'all' and is_closed"
        " group by trading_date having count(*) = 2 order by trading_date"
    )
    differences = np.array([float(str(difference)) for _, difference in rows])
    fit = OLS(differences, np.ones(len(rows))).fit(
        cov_type="HAC", cov_kwds={"maxlags": found["lag_days"]}
    )
    assert found["days"] == len(rows) > 10
    assert found["lag_days"] == int(4 * (len(rows) / 100) ** (2 / 9)) > 1
    assert found["difference"] == pytest.approx(fit.params[0], rel=1e-9)
    assert found["standard_error"] == pytest.approx(fit.bse[0], rel=1e-9)


def test_a_trade_is_that_of_the_account_that_is_chosen(
    marts: Landscape, page: Callable[..., AppTest]
) -> None:
    ((trade_id, symbol),) = marts.on_replica(
        "select trade_id, symbol from performance.trades order by exit_at limit 1"
    )
    drawn = page("journal", {"trade": trade_id})
    assert any(str(symbol) in each.value for each in drawn.header)
    assert any("5 · Result" in each.value for each in drawn.markdown)
    assert "There is no trade" not in told(drawn)
    with other_account(marts):
        drawn = page("journal", {"trade": trade_id, "account": "USDT: bot"})
        assert f"There is no trade '{trade_id}' of USDT: bot" in told(drawn)
        assert "5 · Result" not in "".join(each.value for each in drawn.markdown)
        listed = next(each.value for each in drawn.dataframe if "trade_id" in each.value)
        assert len(listed) > 0
        figures = {each.label: each.value for each in drawn.metric}
    ((trades,),) = marts.on_replica(
        "select count(*) from performance.trades where source_type = 'ai'"
    )
    assert figures["Trades"] == f"{trades:,}"
    assert "Average win USDT" in figures


def test_old_decisions_are_called_stale(marts: Landscape, page: Callable[..., AppTest]) -> None:
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


@needs_pgbouncer
def test_through_a_pooler(
    viewer: Database,
    page: Callable[..., AppTest],
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
        write_report(pooled, path, Wanted("1M"))
        assert path.stat().st_size > 500_000
        # Who comes next on the same session finds nothing of ours.
        with connect(pooled, LIMITS) as connection:
            assert connection.execute(SESSION).fetchone() == ("viewer", "off", "0", "UTC")
            with reading(connection):
                assert connection.execute(SESSION).fetchone() == ("bi_reader", "on", "15s", "UTC")
    st.cache_resource.clear()


def test_rows_that_cannot_be_used_are_listed(
    marts: Landscape, page: Callable[..., AppTest], tmp_path: Path
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


def test_signals_of_the_demo_are_as_they_say(
    marts: Landscape, page: Callable[..., AppTest]
) -> None:
    """No finding, and all is known; one that is planted is told, and gone again."""
    assert marts.on_replica("select * from operations.signal_audit") == []
    ((signals, unknown),) = marts.on_replica(
        "select sum(signals), sum(signals_not_known) from operations.model_audit"
    )
    assert (int(str(signals)) > 100, unknown) == (True, 0)
    assert any("No finding" in text.value for text in page("models").markdown)
    marts.on_replica(
        "insert into intermediate.int_signal_findings (signal_id, finding_kind, evidence_at)"
        " select signal_id, 'back_dated', created_at + interval '3 days'"
        " from staging.stg_ai__trading_signals order by signal_id limit 1"
    )
    try:
        drawn = page("models")
        assert "Not as they say: " in told(drawn)
        tables = [frame.value.astype(str) for frame in drawn.dataframe]
        assert any("back dated" in table.to_string() for table in tables)
    finally:
        marts.on_replica("delete from intermediate.int_signal_findings")


def test_a_report_of_what_is_not_there(marts: Landscape, tmp_path: Path) -> None:
    report = ("report", "--output", str(tmp_path / "r.html"))
    for options, refusal in {
        ("--first", "1999-01-01", "--last", "1999-01-31"): "no closed days in 1999-01-01 to",
        ("--symbol", "DOGE"): "there is no symbol 'DOGE' in the marts; they have ADAUSD, BTCUSD",
        ("--source", "nobody"): "there is no source 'nobody'",
        ("--account", "mine"): "there is no account 'mine' in the marts; they have main",
    }.items():
        refused = run(*report, *options, marts=marts)
        assert refused.returncode == 2
        assert refusal in refused.stderr
    assert not list(tmp_path.iterdir())


METRICS = {
    "trade": (
        ("net_profit", "trades", "fees", "hit_rate", "expectancy", "profit_factor"),
        ("source_type", "source_name", "symbol", "account", "currency"),
        "performance.symbol_performance where source_name <> 'all' and is_all_accounts",
    ),
    "signal": (
        ("signal_hit_rate",),
        ("model_name", "symbol"),
        "(select model_name, symbol, avg(is_win::int)::float8 as signal_hit_rate"
        " from performance.signal_outcomes group by 1, 2) as outcomes",
    ),
    "trading_day": (
        ("reported_net_profit", "unreconciled_profit"),
        ("account", "currency"),
        "(select account, currency, sum(reported_net_profit) as reported_net_profit,"
        " sum(unreconciled_profit) as unreconciled_profit"
        " from performance.daily_performance group by 1, 2) as days",
    ),
}


def test_metrics_equal_the_marts(
    marts: Landscape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What MetricFlow asks the database for a metric by its name gives the mart's numbers."""
    for name in ("dbt_project.yml", "models", "macros", "tests", "profiles.yml"):
        (tmp_path / name).symlink_to(PROJECT / name)
    target = tmp_path / "target"  # where alone it looks
    environment = marts.replica.environment()
    transform.parse(environment, target=target)
    for entity, (metrics, dimensions, mart) in METRICS.items():
        asked = children.run(
            [
                *(str(BIN / "mf"), "query", "--explain", "--metrics", ",".join(metrics)),
                *("--group-by", ",".join(f"{entity}__{name}" for name in dimensions)),
            ],
            cwd=tmp_path,
            env={**os.environ, **environment, "DBT_PROFILES_DIR": str(tmp_path)},
            text=True,
            capture_output=True,
        )
        assert asked.returncode == 0, asked.stdout
        query = re.search(r"^(WITH|SELECT)\b.*", asked.stdout, re.DOTALL | re.MULTILINE)
        assert query is not None, asked.stdout
        of_entity = ", ".join(f"{entity}__{name}" for name in dimensions)
        order = f"order by {', '.join(map(str, range(1, len(dimensions) + 1)))}"
        found = marts.on_replica(
            f"select {of_entity}, {', '.join(metrics)} from ({query[0]}) as asked {order}"
        )
        stored = marts.on_replica(
            f"select {', '.join((*dimensions, *metrics))} from {mart} {order}"
        )
        assert found == stored != []


def test_metrics_are_called_as_on_the_pages() -> None:
    text = (PROJECT / "models/marts/performance/_performance__metrics.yml").read_text("utf-8")
    labels = {metric["name"]: metric["label"] for metric in yaml.safe_load(text)["metrics"]}
    shown = {
        (name, column.label)
        for table in vars(tables).values()
        if isinstance(table, Table)
        for name, column in table.columns.items()
        if name in labels and table.mart.startswith("performance.")
    }
    assert {"net_profit", "hit_rate", "expectancy", "profit_factor"} <= {name for name, _ in shown}
    assert [each for each in shown if labels[each[0]] != each[1]] == []


def test_numbers_drawn_at_random_are_those_of_the_raw_rows(
    marts: Landscape, page: Callable[..., AppTest]
) -> None:
    """Of all pages: 200 numbers, of other places each time."""
    seed = int(os.environ.get("SIGNAL_MARTS_SEED") or secrets.randbelow(10**6))
    print(f"SIGNAL_MARTS_SEED={seed}")  # noqa: T201
    raw = random_numbers.read(marts)
    shown = Shown(raw)
    numbers = [each for name in MODULES for each in random_numbers.on(page(name), raw, shown)]
    assert {
        (each.exhibit, each.column) for each in numbers if each.is_listed == bool(each.expected)
    } == set(), "recompute them, or say in NOT_RECOMPUTED why not"
    drawn = random_numbers.drawn_at_random(numbers, 200, Random(seed))
    assert len({(each.exhibit, each.column) for each in drawn}) > 60
    assert [
        f"{each} is {each.text}, and {wanted} by the raw rows, SIGNAL_MARTS_SEED={seed}"
        for each in drawn
        if each.expected and each.text not in (wanted := each.expected())
    ] == []
