"""A model of a kind that no table of training records knows: in the marts, dashboard and report."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
import streamlit as st
from landscapes import Landscape
from streamlit.testing.v1 import AppTest

from runner.build import builds
from runner.client import AITradingIntegration, InvalidRecordError
from runner.client.pools import Pools
from runner.client.records import Bar, Model, Signal
from runner.servers.database import Database
from runner.views.report.write import write_report

START = datetime(2025, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOURS = 300
BOOSTER = Model("supervised", "booster", "1.0", {"learning_rate": 0.1})


def price(hour: int) -> Decimal:
    """It rises for a day, and falls for a day."""
    return Decimal(100 + abs(24 - hour % 48))


def write(module: AITradingIntegration) -> list[int]:
    """Bars, and a signal every second hour that is right two times of three; ids of the signals."""
    module.store_market_bars(
        Bar(
            "BTCUSD", "1h", START + n * HOUR, price(n),
            max(price(n), price(n + 1)), min(price(n), price(n + 1)), price(n + 1), Decimal(1),
        )
        for n in range(HOURS)
    )  # fmt: skip
    model_id = module.register_model(BOOSTER, at=START)
    return module.store_ai_signals(
        Signal(
            symbol="BTCUSD",
            signal_type="BUY" if (price(n + 4) > price(n)) is (n % 6 > 0) else "SELL",
            confidence=0.4 + (n % 7) / 20,
            created_at=START + n * HOUR,
            expires_at=START + (n + 6) * HOUR,
            model_id=model_id,
        )
        for n in range(2, HOURS - 10, 2)
    )


def trade(landscape: Landscape, module: AITradingIntegration, signal_ids: list[int]) -> None:
    """The platform executes some of the signals, each by a plan of its own, with two orders."""
    for signal_id in signal_ids[1:100:7]:
        ((plan, at),) = landscape.on_primary(
            "insert into trade_plans (strategy, symbol, entry_price_target, stop_loss_price,"
            " take_profit_1_price, created_at)"
            " select 'ai', symbol, 1, 1, 1, created_at from ai_trading_signals"
            f" where id = {signal_id} returning id, created_at"
        )
        assert isinstance(plan, int)
        assert isinstance(at, datetime)
        assert module.record_execution(signal_id, trade_plan_id=plan, at=at)
        for hours, side, filled_price in ((0, "BUY", 100), (3, "SELL", 101)):
            landscape.on_primary(
                "insert into trading_orders (client_order_id, trade_plan_id, created_at, filled_at,"
                " symbol, order_type, side, status, price, quantity, filled_price,"
                " filled_quantity, fee, created_by)"
                f" values ('{signal_id}-{side}', {plan}, '{at + hours * HOUR}',"
                f" '{at + hours * HOUR}', 'BTCUSD', 'MARKET', '{side}', 'FILLED', {filled_price},"
                f" 1, {filled_price}, 1, 0, 'test')"
            )


@pytest.mark.timeout(900)
# dbt leaves the log of a call open until the next one.
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_a_supervised_model_needs_no_migration(
    landscape: Landscape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    landscape.on_primary(
        "delete from trading_orders; delete from trade_plans; delete from micro_patterns"
    )
    landscape.deploy()
    with Pools(landscape.primary) as pools:
        module = AITradingIntegration(pools)
        signal_ids = write(module)
        trade(landscape, module, signal_ids)
    result = builds.build(
        Database("primary", landscape.primary.url),
        Database("replica", landscape.replica.url),
        fence_timeout=60,
        advance=lambda done, total, at: None,
        target=tmp_path,
    )
    assert not result.failures, [(node.name, node.message) for node in result.failures]

    for mart, found in {
        "performance.model_skill where model_name = 'booster' and brier_score is not null"
        " and window_name = 'all'": 1,
        "performance.source_performance where source_name = 'booster 1.0' and trades = 15"
        " and window_name = 'all'": 1,
        "ensemble.signal_confluence where model_type = 'supervised'": len(signal_ids),
        "training.training_runs": 0,
    }.items():
        assert landscape.on_replica(f"select count(*) from {mart}") == [(found,)], mart
    for mart in (
        "performance.model_calibration where model_name = 'booster' and n > 0",
        "ensemble.expert_weights where expert_name = 'booster 1.0' and weight > 0",
    ):
        assert landscape.on_replica(f"select count(*) > 0 from {mart}") == [(True,)], mart

    monkeypatch.setenv("DASHBOARD_URL", landscape.replica.url)
    models, signals = drawn("models"), drawn("signals")
    assert any("booster 1.0" in str(frame.value) for frame in models.dataframe)
    assert any("No training yet" in note.value for note in models.info)
    assert any("Supervised" in text.value for text in signals.markdown)
    report = tmp_path / "report.html"
    write_report(landscape.replica, report)
    assert "booster 1.0" in report.read_text("utf-8")


def drawn(page: str) -> AppTest:
    """A page of the dashboard, with nothing kept from before."""
    st.cache_data.clear()
    script = f"from runner.views.dashboard import bar, {page}\n{page}.page(bar.asked())\n"
    made = AppTest.from_string(script, default_timeout=60).run()
    assert not made.exception, made.exception[0].value
    return made


WORDS = ("supervised", "x", "lstm_2", "a" * 64)
NO_WORDS = ("a" * 65, "Supervised", "2nd", "_x", "deep learning", "öffi", "x\n")


@pytest.mark.parametrize("is_called_as", ["the API", "a function", "an insert"])
def test_a_kind_is_a_word(deployed_primary: psycopg.Connection, is_called_as: str) -> None:
    module = AITradingIntegration.inside(deployed_primary)
    deployed_primary.execute("set role ai_writer")

    def register(kind: str, version: str) -> None:
        if is_called_as == "the API":
            module.register_model(Model(kind, "listener", version))
            module.import_model(Model(kind, "importer", version))
        elif is_called_as == "a function":
            deployed_primary.execute("select register_ai_model(%s, 'm', %s)", (kind, version))
        else:
            deployed_primary.execute(
                "insert into ai_models (model_type, model_name, version) values (%s, 'm', %s)",
                (kind, version),
            )

    for number, kind in enumerate(WORDS):
        register(kind, str(number))
    for kind in NO_WORDS:
        with (
            pytest.raises((InvalidRecordError, psycopg.errors.CheckViolation), match="model_type"),
            deployed_primary.transaction(),
        ):
            register(kind, "refused")
