"""The preset for freqtrade on a bot's tables: rows as it writes them live, and changes to them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import bot
import pytest
from full_builds import FullBuild
from landscapes import Landscape, drop_landscape, make_landscape
from platform_marts import MODELS, differences

from runner.demo.embedded import EmbeddedPair
from runner.settings import PROJECT

# Several builds in a test, each of which takes long beside other tests.
pytestmark = pytest.mark.timeout(900)

PRESET = PROJECT / "runner/adopt/presets/freqtrade.yml"


@pytest.fixture(scope="module")
def adopted(
    pair: EmbeddedPair, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Landscape, Path]]:
    """A bot that was adopted, deployed and built."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGNAL_MARTS_PLATFORM", str(PRESET))
        made = make_landscape(pair, pair.urls().replica, template="template1")
        with made.primary.connect() as connection:
            bot.make(connection)
        made.deploy()
        target = tmp_path_factory.mktemp("dbt")
        built = made.build(target, *MODELS)
        assert not built.failures, built.failures
        yield made, target
        drop_landscape(made)


def profits(landscape: Landscape) -> dict[str, Decimal]:
    found = landscape.on_replica(
        "select symbol, sum(net_profit) from performance.trades group by 1"
    )
    return {str(symbol): Decimal(str(profit)) for symbol, profit in found}


def test_every_trade_earned_what_it_earned(adopted: tuple[Landscape, Path]) -> None:
    landscape, _ = adopted
    assert profits(landscape) == {pair: Decimal(net) for pair, net in bot.PROFITS.items()}
    assert landscape.on_replica("select * from operations.rejected_rows") == []
    days = "select count(*) from performance.daily_performance where not is_reconciled"
    assert landscape.on_replica(days) == [(0,)]


def test_orders_have_the_words_of_the_models(adopted: tuple[Landscape, Path]) -> None:
    landscape, _ = adopted
    found = landscape.on_replica(
        "select order_id, side, order_status from staging.stg_platform__trading_orders"
        " where order_id between 7 and 14 order by 1"
    )
    assert found == [
        (7, "SELL", "FILLED"),
        (8, "BUY", "FILLED"),
        (9, "BUY", "FILLED"),
        (10, "SELL", "FILLED"),
        (11, "BUY", "PARTIALLY_FILLED"),
        (12, "BUY", "CANCELLED"),
        (13, "BUY", "CANCELLED"),
        (14, "BUY", "REJECTED"),
    ]


def test_tags_are_patterns(adopted: tuple[Landscape, Path]) -> None:
    landscape, _ = adopted
    found = landscape.on_replica(
        "select pattern_type, pattern_signal, count(*)"
        " from staging.stg_platform__micro_patterns group by 1, 2 order by 1"
    )
    assert found == [("dip", "BUY", 4), ("fade", "SELL", 1)]


def test_changes_are_followed_exactly(
    adopted: tuple[Landscape, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    landscape, target = adopted
    full = FullBuild()
    for change in (
        # The exchange told the fee late: every order of the trade has another fee.
        "update trades set fee_open = 0.002, fee_close = 0.002 where id = 1",
        # The entry is filled, and closed at a loss.
        "update orders set status = 'closed', filled = 10, order_filled_date = '2026-01-06 15:10'"
        " where id = 11;"
        "insert into orders (id, ft_trade_id, ft_order_side, ft_pair, status, average, amount,"
        " filled, order_date, order_filled_date) values"
        " (19, 5, 'sell', 'LTC/USDT', 'closed', 45, 10, 10,"
        " '2026-01-07 10:00', '2026-01-07 10:00');"
        "update trades set is_open = false, close_date = '2026-01-07 10:00',"
        " close_profit_abs = -50.95, exit_reason = 'stop_loss' where id = 5",
        # A tag is taken away, and a trade is deleted with its orders.
        "update trades set enter_tag = null where id = 2;"
        "delete from orders where ft_trade_id = 4; delete from trades where id = 4",
        # An order belongs to another trade, with another side of fees.
        "update orders set ft_trade_id = 3 where id = 6",
        # A row that nobody can use, and its neighbours.
        "update orders set average = 'NaN' where id = 17;"
        "update orders set status = 'odd' where id = 3",
        "truncate trades, orders",
    ):
        landscape.on_primary(change)
        assert not landscape.build(target, *MODELS).failures
        assert differences(landscape, target, full) == {}
    assert profits(landscape) == {}
