"""Platforms of others' making: the file that is proposed for each, its marts, and changes to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from full_builds import FullBuild
from landscapes import Landscape, drop_landscape, make_landscape
from other_platforms import BERLIN, ORDERS_ONLY, PRISMA
from platform_marts import MODELS, differences

from runner.cli import cli
from runner.demo.embedded import EmbeddedPair
from runner.platform import mapping
from runner.settings import PROJECT

# Several builds in a test, each of which takes long beside other tests.
pytestmark = pytest.mark.timeout(900)

# A model's signal that names a pattern and a plan of uuids, and the prices after it.
SIGNALS = """
insert into ai_models (model_type, model_name, version, created_at)
values ('supervised', 'dqn', '1', '2026-01-01Z');
insert into ai_trading_signals
    (model_id, symbol, signal_type, confidence, pattern_id, trade_plan_id, created_at, expires_at)
select
    1, 'BTCUSD', 'BUY', 0.8, p."id", '00000000-0000-4000-8000-000000000001',
    '2026-01-05 09:30Z', '2026-01-06 09:30Z'
from "Pattern" as p;
insert into market_bars
select 'BTCUSD', '1h', at, 100, 103, 99, 100 + extract(hour from at) / 10, 1
from generate_series(timestamptz '2026-01-05Z', '2026-01-08Z', interval '1 hour') as at;
"""


class Adopted:
    """A platform, its databases, and the file that is proposed for it."""

    def __init__(self, landscape: Landscape, file: Path) -> None:
        self.landscape = landscape
        self.file = file
        self.target = file.parent / "dbt"

    def adopt(self, *arguments: str) -> Result:
        done = CliRunner().invoke(cli, ["adopt", *arguments])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done

    def trades(self) -> list[tuple[Any, ...]]:
        return self.landscape.on_replica(
            "select symbol, direction, quantity, net_profit, source_name"
            " from performance.trades order by exit_at, closing_order_id"
        )

    def rejected(self) -> list[tuple[Any, ...]]:
        return self.landscape.on_replica(
            "select row_key, column_name, value from operations.rejected_rows order by 1, 2"
        )

    def build(self) -> None:
        assert not self.landscape.build(self.target, *MODELS).failures

    def follow(self, *changes: str) -> None:
        """Each change is followed exactly."""
        full = FullBuild()
        for change in changes:
            self.landscape.on_primary(change)
            self.build()
            assert differences(self.landscape, self.target, full) == {}, change


@pytest.fixture
def make(pair: EmbeddedPair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    made: list[Landscape] = []

    def make(tables: str) -> Adopted:
        landscape = make_landscape(pair, pair.urls().replica, template="template1")
        made.append(landscape)
        with landscape.primary.connect() as connection:
            connection.execute(tables)
        file = tmp_path / "platform.yml"
        monkeypatch.setenv("PRIMARY_URL", landscape.primary.url)
        monkeypatch.setenv("REPLICA_URL", landscape.replica.url)
        monkeypatch.setenv("SIGNAL_MARTS_PLATFORM", str(file))
        return Adopted(landscape, file)

    yield make
    for landscape in made:
        drop_landscape(landscape)


def test_as_prisma_writes_it(make: Any) -> None:
    platform: Adopted = make(PRISMA)
    assert platform.adopt("--yes").exit_code == 0
    proposed = mapping.read(platform.file)
    assert set(proposed.roles) == {
        "micro_patterns",
        "trade_plans",
        "trading_orders",
        "trading_stats",
    }
    assert proposed.key_type("trading_orders") == "text"
    assert platform.adopt("--check").exit_code == 0
    platform.landscape.deploy()
    column = (
        "select format_type(atttypid, atttypmod) from pg_attribute"
        " where attrelid = 'ai_trading_signals'::regclass and attname = 'trade_plan_id'"
    )
    assert platform.landscape.on_primary(column) == [("uuid",)]
    platform.build()
    assert platform.trades() == [("BTCUSD", "LONG", 2, Decimal(19), "breakout")]
    assert platform.rejected() == []
    with platform.landscape.primary.connect() as connection:
        connection.execute(SIGNALS)
    assert not platform.landscape.build(platform.target).failures
    found = platform.landscape.on_replica(
        "select relation, pattern_type, plan_strategy, order_count from ensemble.signal_confluence"
    )
    assert found == [("confirm", "flag", "breakout", 1)]
    experts = "select distinct expert_id from ensemble.expert_weights order by 1"
    assert platform.landscape.on_replica(experts) == [("model: dqn 1",), ("pattern: flag",)]
    opening = platform.landscape.on_replica("select opening_order_id from performance.trades")
    assert opening == [("10000000-0000-4000-8000-000000000001",)]
    platform.follow(
        """update "Order" set "fee" = 1, "filledAt" = "filledAt" + interval '1 day'""",
        """insert into "Order" ("tradePlanId", "symbol", "side", "quantity", "filledQty",
            "avgPrice", "status", "createdAt") values
            ('00000000-0000-4000-8000-000000000002', 'ETHUSD', 'LONG', 3, 3, 9, 'COMPLETED',
            '2026-01-07 10:00');
        delete from "TradePlan" where "strategyName" = 'breakout'""",
    )


def test_a_schema_and_clock_of_its_own(make: Any) -> None:
    platform: Adopted = make(BERLIN)
    told = platform.adopt("--yes", "--timezone", "Europe/Berlin").stderr
    assert "1 of 3 rows would be set aside: none of NEW" in told
    text = platform.file.read_text("utf-8")
    assert "looks like a rate: 0.001 to 0.001" in text
    assert "confidence_pct / 100  # named confidence_pct; up to 72.50, so a percentage" in text
    assert "# CHECK: rows with these words are set aside: storno" in text
    platform.landscape.deploy()
    platform.build()
    # Half past midnight in Berlin is the day before in UTC.
    assert platform.trades() == [("DAX", "LONG", 2, Decimal("2.597"), "gap")]
    entry = "select entry_at::text from performance.trades"
    assert platform.landscape.on_replica(entry) == [("2026-07-01 22:40:00+00",)]
    assert platform.rejected() == [("3", "status", "storno")]
    platform.file.write_text(
        text.replace("FILLED: [executed]", "FILLED: [executed]\n        CANCELLED: [storno]")
    )
    with pytest.raises(Exception, match=r"says other than the replica's views of trading_orders"):
        platform.build()
    platform.landscape.deploy()
    platform.build()
    assert platform.rejected() == []
    platform.follow(
        "update handel.positions set instrument = 'MDAX'",
        "update handel.orders set avg_price = 'a lot' where order_no = 2",
        "update handel.orders set avg_price = ' 1e2 ', executed_at = null where order_no = 2;"
        "delete from handel.daily_summary",
    )
    assert platform.rejected() == []


def test_orders_only(make: Any) -> None:
    platform: Adopted = make(ORDERS_ONLY)
    platform.adopt("--yes")
    proposed = mapping.read(platform.file)
    assert set(proposed.roles) == {"trading_orders"}
    text = platform.file.read_text("utf-8")
    assert "CHECK: 0.0 to 0.01, as small as a rate" in text
    assert "    # signal_key: '\"clOrdId\"', if it has keys of AI signals\n" in text
    platform.landscape.deploy()
    platform.build()
    assert platform.trades() == [("PEPE", "LONG", 1_000_000, Decimal("3.48"), "unplanned")]
    assert platform.rejected() == [("b-1", "side", "XXX")]
    platform.follow(
        "update executions set side = 'BOT', exec_id = 'c-1' where exec_id = 'b-1'",
        "insert into executions"
        " values ('d', 'PEPE', 'sld ', 1, 3, 'NaN', 'x', null, false, 1767700800000)",
        """update executions set "isPaper" = true where exec_id = 'a-1'""",
        "delete from executions where exec_id = 'a-2'",
    )


def test_orders_that_carry_keys_of_signals(make: Any) -> None:
    """No plans: what an order says of its signal is all that links the two."""
    platform: Adopted = make(ORDERS_ONLY)
    platform.adopt("--yes")
    platform.landscape.deploy()
    platform.landscape.on_primary(
        "insert into ai_models (model_type, model_name, version, created_at)"
        " values ('supervised', 'dqn', '1', '2026-01-01Z');"
        "insert into ai_trading_signals (model_id, symbol, signal_type, confidence,"
        " idempotency_key, created_at, expires_at) values"
        " (1, 'PEPE', 'BUY', 0.8, 'dqn/BUY/7', '2026-01-05 09:00Z', '2026-01-05 09:30Z')"
    )
    platform.adopt("--yes")
    text = platform.file.read_text("utf-8")
    assert "    signal_key: '\"clOrdId\"'  # has keys of AI signals\n" in text
    platform.landscape.deploy()
    platform.build()
    assert platform.trades() == [("PEPE", "LONG", 1_000_000, Decimal("3.48"), "dqn 1")]
    attributed = (
        "select order_id, source_name, method, signal_id from performance.order_attribution"
        " order by order_id"
    )
    assert platform.landscape.on_replica(attributed) == [
        ("a-1", "dqn 1", "signal_key", 1),
        ("a-2", "dqn 1", "signal_key", None),
    ]
    platform.follow(
        "update ai_trading_signals set created_at = '2026-01-05 10:30Z',"
        " expires_at = '2026-01-06Z'",
        """update executions set "clOrdId" = 'p' where exec_id = 'a-2'""",
        "update ai_trading_signals set idempotency_key = 'p', created_at = '2026-01-01Z'",
        "delete from ai_trading_signals",
    )


def test_nothing_is_written_unasked(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    platform: Adopted = make(ORDERS_ONLY)
    url = platform.landscape.primary.url
    platform.landscape.on_primary(
        "create role looker login password 'looks'; grant select on executions to looker"
    )
    try:
        server = url.rpartition("@")[2]
        monkeypatch.setenv("PRIMARY_URL", f"postgresql://looker:looks@{server}")
        done = platform.adopt()
    finally:
        platform.landscape.on_primary("drop owned by looker; drop role looker")
    assert not platform.file.exists()
    assert "nothing was written; --yes writes the file" in done.stderr
    assert "trading_orders:" in done.stdout


def test_a_platform_that_nobody_recognises(make: Any) -> None:
    platform: Adopted = make(
        "create table weather (id serial primary key, degrees numeric);"
        "create table deals (id serial primary key, pair text, side text)"
    )
    done = CliRunner().invoke(cli, ["adopt", "--yes"])
    assert "no table that this login may read looks like orders" in str(done.exception)
    nearest = "trading_orders: public.deals comes nearest, without created_at"
    assert nearest in str(done.exception)
    assert not platform.file.exists()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("    fee: fee\n", "    fee: price - symbol\n", "no SQL that the server can compute"),
        ("fee: fee", "fee: fee || 'x'", "trading_orders.columns.fee is text; it must be"),
        ("fee: fee", "fee: lower(fee)", "no SQL that the server can compute (function lower("),
        ("    net_profit: numeric", "    net_profit: boolean", "is boolean, which is no number"),
        ("  columns:\n    id: id\n    trade", "  where: fee\n  columns:\n    id: id\n    trade",
         "trading_orders.where is numeric; a filter is true or false"),
        ("    price: numeric", "    price: integer", "is numeric, which does not fit integer"),
        ("    id: id\n    trade_plan_id", "    id: trade_plan_id\n    trade_plan_id",
         "and the primary key of public.trading_orders is id"),
    ],
)  # fmt: skip
def test_check_tells_what_does_not_fit(
    landscape: Landscape,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    old: str,
    new: str,
    told: str,
) -> None:
    text = (PROJECT / "platform.yml").read_text("utf-8")
    assert old in text
    platform = Adopted(landscape, tmp_path / "platform.yml")
    platform.file.write_text(text.replace(old, new), "utf-8")
    monkeypatch.setenv("PRIMARY_URL", landscape.primary.url)
    monkeypatch.setenv("REPLICA_URL", landscape.replica.url)
    monkeypatch.setenv("SIGNAL_MARTS_PLATFORM", str(platform.file))
    done = CliRunner().invoke(cli, ["adopt", "--check"])
    assert done.exit_code == 1 or done.exception is not None
    assert told in done.stderr + re.sub(r"\s+", " ", str(done.exception))


@pytest.mark.parametrize(
    ("change", "old", "new", "told"),
    [
        (
            "alter table daily_summary drop constraint daily_summary_pkey;"
            "alter table daily_summary add column id serial primary key",
            "net_profit: pnl",
            "net_profit: pnl",
            "trading_stats: the day 2026-07-02 has several rows: write sum(",
        ),
        (
            "select 1",
            "placed_at  # named",
            "to_timestamp(order_no * 100000000000)  # named",
            "all 3 rows would be",
        ),
        ("alter table handel.orders drop column placed_at", "x", "x", "placed_at is missing"),
    ],
)
def test_check_tells_what_would_stop_or_empty_the_marts(
    make: Any, change: str, old: str, new: str, told: str
) -> None:
    platform: Adopted = make(BERLIN)
    platform.adopt("--yes")
    platform.landscape.on_primary(f"set search_path = handel; {change}")
    if "serial" in change:
        platform.landscape.on_primary("insert into handel.daily_summary values ('2026-07-02', 1)")
        text = platform.file.read_text("utf-8")
        text = text.replace(
            "  handel.daily_summary:\n", "  handel.daily_summary:\n    id: bigint\n"
        )
        platform.file.write_text(text)
    text = platform.file.read_text("utf-8")
    platform.file.write_text(text.replace(old, new), "utf-8")
    done = CliRunner().invoke(cli, ["adopt", "--check"])
    assert done.exit_code == 1
    assert told in done.stderr
