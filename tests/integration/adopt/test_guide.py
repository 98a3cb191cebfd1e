"""The guide's whole file, on the platform that it is about."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from full_builds import FullBuild
from landscapes import Landscape, drop_landscape, make_landscape
from platform_marts import MODELS, differences

from runner.demo.embedded import EmbeddedPair
from runner.settings import PROJECT

# Several builds in a test, each of which takes long beside other tests.
pytestmark = pytest.mark.timeout(900)

TABLES = """
create schema trading;
create table trading.patterns (
    id integer primary key, symbol varchar(20), kind varchar(20), direction varchar(5),
    confidence numeric(5, 2), detected_at timestamp, drawn_by text
);
create table trading.plans (
    id integer primary key, symbol varchar(20), strategy_name varchar(20), stop numeric(18, 8),
    target numeric(18, 8), fee_rate double precision, created_at timestamp
);
create table trading.orders (
    id bigint primary key, plan_id integer references trading.plans, instrument char(8),
    is_buy boolean, amount numeric, done_quantity numeric, avg_price numeric, state varchar(10),
    is_test boolean not null default false, placed_at timestamp
);
create table trading.daily_stats (day date primary key, pnl numeric);

insert into trading.patterns values
(1, 'AAPL', 'flag', 'long', 72.5, '2026-07-01 10:00', 'x'),
(2, 'AAPL', 'flag', 'flat', 50, '2026-07-01 11:00', 'x');
insert into trading.plans values
(1, 'AAPL', 'opening', 99, 120, 0.001, '2026-07-01 09:30');
insert into trading.orders values
(1, 1, 'AAPL', true, 10, 10, 100, 'Done ', false, '2026-07-01 19:59'),
(2, 1, 'AAPL', false, 10, 10, 110, 'DONE', false, '2026-07-01 21:00'),
(3, 1, 'AAPL', true, 10, 10, 1, 'done', true, '2026-07-01 21:30'),
(4, 1, 'AAPL', true, 10, 0, null, 'storno', false, '2026-07-01 22:00'),
(5, 1, 'AAPL', true, 10, 0, null, 'odd', false, '2026-07-01 22:00');
insert into trading.daily_stats values ('2026-07-01', 0), ('2026-07-02', 97.9);
"""


@pytest.fixture
def platform(
    pair: EmbeddedPair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Landscape]:
    page = (PROJECT / "docs/adoption.md").read_text("utf-8")
    (text,) = re.findall(r"^```yaml\n(timezone:.*?)^```$", page, re.DOTALL | re.MULTILINE)
    file = tmp_path / "platform.yml"
    file.write_text(text, "utf-8")
    monkeypatch.setenv("SIGNAL_MARTS_PLATFORM", str(file))
    made = make_landscape(pair, pair.urls().replica, template="template1")
    with made.primary.connect() as connection:
        connection.execute(TABLES)
    yield made
    drop_landscape(made)


def test_its_trades_add_up(platform: Landscape, tmp_path: Path) -> None:
    platform.deploy()
    assert not platform.build(tmp_path / "dbt", *MODELS).failures
    # New York's clock: the order of 21:00 is of the next day in UTC.
    found = platform.on_replica(
        "select direction, quantity, net_profit, entry_at::text, exit_at::text"
        " from performance.trades"
    )
    assert found == [
        ("LONG", 10, Decimal("97.9"), "2026-07-01 23:59:00+00", "2026-07-02 01:00:00+00")
    ]
    assert platform.on_replica(
        "select count(*) from performance.daily_performance where not is_reconciled"
    ) == [(0,)]
    assert platform.on_replica(
        "select source_table, row_key, column_name, value from operations.rejected_rows"
    ) == [("mapped.trading_orders", "5", "status", "odd")]
    assert platform.on_replica(
        "select pattern_signal, confidence from staging.stg_platform__micro_patterns order by 1"
    ) == [("BUY", 0.725), ("HOLD", 0.5)]
    full = FullBuild()
    for change in (
        "update trading.plans set fee_rate = 0.002",
        "update trading.orders set is_test = false where id = 3;"
        "update trading.orders set is_test = true where id = 2",
        "update trading.orders set state = 'done', done_quantity = 1, avg_price = 5 where id = 5",
        "delete from trading.patterns where id = 1;"
        "update trading.daily_stats set day = '2026-07-05' where day = '2026-07-02'",
    ):
        platform.on_primary(change)
        assert not platform.build(tmp_path / "dbt", *MODELS).failures
        assert differences(platform, tmp_path / "dbt", full) == {}
