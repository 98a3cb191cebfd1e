"""Signals that are not as they say: each cheat that is planted is found, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
from landscapes import Landscape, drop_landscape, make_landscape
from oracle_barriers import Bar as JudgedBar
from oracle_barriers import judge
from psycopg.types.json import Jsonb

from runner.build import builds
from runner.client import AITradingIntegration
from runner.client.pools import Pools
from runner.client.records import Bar, Episode, Model, Signal
from runner.demo.embedded import EmbeddedPair
from runner.doctor.status import status
from runner.servers.database import Database

START = datetime(2025, 3, 1, tzinfo=UTC)
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
DELAY = 120 * SECOND
HOURS = 72
MODEL = Model("reinforcement_learning", "audited", "1")
LATE = replace(MODEL, version="2")
SIGNAL = Signal(
    "BTCUSD", "BUY", 0.7, START + 12 * HOUR, START + 20 * HOUR,
    stop_loss=Decimal(90), take_profit=Decimal(130),
)  # fmt: skip
TOLERANCE = Decimal("0.01")


def price(hour: int) -> Decimal:
    """It rises for a day, and falls for a day."""
    return Decimal(100 + abs(24 - (hour + 24) % 48))


BARS = [
    Bar(
        "BTCUSD", "1h", START + n * HOUR, price(n), max(price(n), price(n + 1)) + 1,
        min(price(n), price(n + 1)) - 1, price(n + 1), Decimal(1),
    )
    for n in range(HOURS)
]  # fmt: skip


@dataclass(frozen=True)
class Desk:
    """The administrator's sides, and a module that has a login and no more."""

    landscape: Landscape
    login: Database
    module: AITradingIntegration
    model_id: int
    target: Path

    def store(self, *signals: Signal, **of_all: Any) -> None:
        """Store signals as the module, each under its key."""
        made = (replace(each, **{"model_id": self.model_id} | of_all) for each in signals)
        self.module.store_ai_signals(made)

    def tell_history(self, *signals: Signal, late: timedelta | None = SECOND) -> None:
        """Signals that were stored so long after they were made, as a restore brings them back."""
        with self.landscape.primary.connect() as connection:
            connection.cursor().executemany(
                "insert into ai_trading_signals (model_id, symbol, signal_type, confidence,"
                " stop_loss, take_profit, metadata, idempotency_key, created_at, expires_at,"
                " stored_at) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                [
                    (
                        self.model_id, each.symbol, each.signal_type, each.confidence,
                        each.stop_loss, each.take_profit, Jsonb(dict(each.metadata)),
                        each.idempotency_key, each.created_at, each.expires_at,
                        None if late is None else each.created_at + late,
                    )
                    for each in signals
                ],
            )  # fmt: skip

    def found(self) -> dict[str, set[str]]:
        """Kinds of findings by the signal's key, after a build."""
        built = self.landscape.build(self.target, "+model_audit", tests=True)
        assert built.failures == ()
        keys = {
            signal_id: str(key)
            for signal_id, key in self.landscape.on_primary(
                "select id, idempotency_key from ai_trading_signals"
                " union select signal_id, idempotency_key from ai_signal_edits"
            )
        }
        found: dict[str, set[str]] = {}
        for signal_id, kind in self.landscape.on_replica(
            "select signal_id, finding_kind from operations.signal_audit"
        ):
            found.setdefault(keys[signal_id], set()).add(str(kind))
        return found


@pytest.fixture(scope="module")
def desk(pair: EmbeddedPair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    made = make_landscape(pair, pair.urls().replica)
    made.deploy()
    made.on_primary("create role audited login password 'secret'; grant ai_writer to audited")
    server = made.primary.parameters()
    login = Database(
        "primary",
        f"postgresql://audited:secret@{server['host']}:{server['port']}/{server['dbname']}",
        search_path="public",
    )
    with Pools(login) as pools:
        module = AITradingIntegration(pools)
        module.store_market_bars(BARS)
        model_id = module.register_model(MODEL, at=START)
        yield Desk(made, login, module, model_id, tmp_path_factory.mktemp("target"))
    made.on_primary(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = 'audited'"
    )
    drop_landscape(made)
    with psycopg.connect(pair.urls().primary, autocommit=True) as connection:
        connection.execute("drop role audited")


@pytest.mark.parametrize(
    "attempt",
    [
        "insert into ai_trading_signals (model_id, symbol, signal_type, confidence, stored_at)"
        " values (1, 'X', 'BUY', 0.5, '2025-03-01Z')",
        "insert into ai_trading_signals (model_id, symbol, signal_type, confidence, stored_by)"
        " values (1, 'X', 'BUY', 0.5, 'another')",
        "copy ai_trading_signals (model_id, symbol, signal_type, confidence, stored_at) from stdin",
        "update ai_trading_signals set stored_at = created_at",
        "update ai_trading_signals set signal_type = 'SELL'",
        "delete from ai_trading_signals",
        "truncate ai_trading_signals",
        "alter table ai_trading_signals alter column stored_at drop default",
        "alter table ai_trading_signals disable trigger user",
        "delete from ai_signal_edits",
        "insert into ai_signal_edits (signal_id, action, model_id, symbol, signal_type, confidence,"
        " created_at, changes) values (1, 'UPDATE', 1, 'X', 'BUY', 0.5, now(), '{}')",
        "set session_replication_role = replica",
        "select ai_note_signal_edit()",
    ],
)
def test_a_module_cannot_forge_what_the_audit_knows(desk: Desk, attempt: str) -> None:
    with (
        desk.login.connect() as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(attempt)


def test_the_clock_is_that_of_the_insert_whatever_a_module_does(desk: Desk) -> None:
    """In a transaction that was begun long before, and of a row that brings a time of its own."""
    entry = {
        "key": "old",
        "row": {
            "model_id": desk.model_id, "idempotency_key": "imported", "symbol": "BTCUSD",
            "signal_type": "HOLD", "confidence": 0.5, "metadata": {}, "status": "EXPIRED",
            "created_at": str(START), "updated_at": str(START), "stored_at": str(START),
            "stored_by": "another",
        },
    }  # fmt: skip
    assert desk.module.import_rows("ai_trading_signals", "store", [json.dumps(entry)]) == {
        "old": "stored"
    }
    with desk.login.connect() as connection:
        (begun,) = connection.execute("select now()").fetchone() or (None,)
        connection.execute(
            "select store_ai_signal(%s, 'BTCUSD', 'HOLD', 0.5, idempotency_key => 'held',"
            " created_at => now())",
            (desk.model_id,),
        )
    rows = desk.landscape.on_primary(
        "select idempotency_key, stored_at, stored_by from ai_trading_signals order by stored_at"
    )
    assert [(key, by) for key, _, by in rows] == [("imported", "audited"), ("held", "audited")]
    assert begun is not None
    assert all(isinstance(at, datetime) and at > START + 9 * HOUR for _, at, _ in rows)
    assert isinstance(rows[1][1], datetime)
    assert rows[1][1] > begun


def test_a_truncation_is_noted_as_deletions(desk: Desk) -> None:
    with desk.landscape.primary.connect() as connection:
        signals = connection.execute("select id, created_at from ai_trading_signals").fetchall()
        connection.execute("truncate ai_trading_signals cascade")
        noted = connection.execute(
            "select signal_id, created_at from ai_signal_edits"
            " where action = 'DELETE' and edited_by = session_user"
        ).fetchall()
        connection.rollback()
    assert sorted(noted) == sorted(signals) != []


def test_every_cheat_is_found_and_nothing_else(desk: Desk) -> None:
    """Of the module's login first, and then of one that may change what is stored."""

    def cheat(key: str, **changes: Any) -> Signal:
        return replace(SIGNAL, idempotency_key=key, **changes)

    now = datetime.now(UTC)
    within = START + 12 * HOUR + HOUR / 2
    rising = SIGNAL.created_at
    desk.store(
        cheat("back-dated"),
        cheat("ahead", created_at=now + 2 * HOUR, expires_at=None),
        cheat("live", created_at=now, expires_at=None, metadata={"entry_price": 5}),
        cheat("entry", metadata={"entry_price": "140"}),
        cheat("peeked", created_at=within, metadata={"entry_price": float(price(13))}),
        cheat("stop", stop_loss=Decimal(125)),
        cheat("target", signal_type="SELL", stop_loss=Decimal(150), take_profit=Decimal(140)),
        cheat("exit", metadata={"exit_price": 129}),
        cheat("claimed", metadata={"outcome": "TAKE_PROFIT", "exit_price": float(price(14))}),
        cheat("stopped", metadata={"outcome": "STOP_LOSS"}),
    )
    late = desk.module.register_model(LATE)
    desk.module.store_episode(late, Episode(1, 1.0, 1, None, None, None, now))
    desk.store(cheat("untrained"), model_id=late)

    # What was stored in time is as it says, however it ended.
    desk.tell_history(
        cheat("honest", metadata={"entry_price": str(price(12)), "exit_price": 115}),
        cheat("won", take_profit=Decimal(116), metadata={"outcome": "TAKE_PROFIT"}),
        cheat("within", created_at=within, metadata={"entry_price": 112.5, "note": [1]}),
        cheat("edited"), cheat("corrected"), cheat("disowned"), cheat("deleted"), cheat("replaced"),
        cheat("restored"), cheat("traded"), cheat("filled"),
        cheat("reopened", created_at=now, expires_at=None),
    )  # fmt: skip
    desk.tell_history(cheat("of before"), late=None)
    desk.landscape.on_primary(
        f"""
        -- Trading goes on: none of these is an edit.
        update ai_trading_signals set status = 'EXPIRED', metadata = '{{"note": 1}}'
        where idempotency_key = 'honest';
        update ai_trading_signals set stored_at = created_at where idempotency_key = 'of before';
        update ai_trading_signals set confidence = confidence, stop_loss = 90.00
        where idempotency_key = 'honest';

        update ai_trading_signals set signal_type = 'SELL', stop_loss = 130, take_profit = 90
        where idempotency_key = 'edited';
        update ai_trading_signals set confidence = 0.9 where idempotency_key = 'reopened';
        update ai_trading_signals set stored_at = null where idempotency_key = 'corrected';
        update ai_trading_signals set stored_by = 'another' where idempotency_key = 'disowned';
        create temporary table kept as
        select * from ai_trading_signals where idempotency_key in ('replaced', 'restored');
        delete from ai_trading_signals
        where idempotency_key in ('deleted', 'replaced', 'restored');
        insert into ai_trading_signals
        select * from kept where idempotency_key = 'restored';
        update kept set confidence = 0.99;
        insert into ai_trading_signals
        select * from kept where idempotency_key = 'replaced';

        insert into trade_plans (strategy, symbol, entry_price_target, stop_loss_price,
            take_profit_1_price, created_at)
        select 'ai', 'BTCUSD', 1, 1, 1, '{rising}' from generate_series(1, 2);
        update ai_trading_signals
        set trade_plan_id = (
            select id from trade_plans order by id desc
            offset (idempotency_key = 'filled')::integer limit 1
        )
        where idempotency_key in ('traded', 'filled');
        insert into trading_orders (client_order_id, trade_plan_id, created_at, filled_at, symbol,
            order_type, side, status, price, quantity, filled_price, filled_quantity, fee,
            created_by)
        select
            idempotency_key || side, trade_plan_id, '{rising}', '{rising + HOUR / 2}', symbol,
            'MARKET', side::order_side, 'FILLED', 112, 1,
            case when idempotency_key || side = 'filledSELL' then 190 else 112 end, 1, 0, 'test'
        from ai_trading_signals
        cross join (values ('BUY'), ('SELL')) as sides (side)
        where idempotency_key in ('traded', 'filled');
        """
    )
    late_too = {"back_dated"}
    assert desk.found() == {
        "imported": {"imported"},
        "back-dated": late_too,
        "ahead": {"future_dated"},
        "entry": {"entry_off_market"} | late_too,
        "peeked": {"open_bar_close"} | late_too,
        "stop": {"stop_off_market"} | late_too,
        "target": {"target_off_market"} | late_too,
        "exit": {"exit_off_market"} | late_too,
        "claimed": {"target_not_reached"} | late_too,
        "stopped": {"stop_not_reached"} | late_too,
        "untrained": {"before_version", "before_training"} | late_too,
        "edited": {"edited"},
        "corrected": {"edited"},
        "disowned": {"edited"},
        "reopened": {"edited"},
        "deleted": {"deleted"},
        "replaced": {"replaced"},
        "filled": {"fill_off_market"},
    }
    ((storer,),) = desk.landscape.on_replica(
        "select distinct evidence from operations.signal_audit where finding_kind = 'back_dated'"
    )
    assert storer == "stored by audited"
    ((evidence, severity),) = desk.landscape.on_replica(
        "select evidence, severity from operations.signal_audit"
        " where finding_kind = 'edited' and evidence like '%signal_type%'"
    )
    assert severity == "high"
    changed, _, login = str(evidence).rpartition(", by ")
    assert login == desk.landscape.primary.parameters()["user"]
    assert json.loads(changed) == {
        "signal_type": ["BUY", "SELL"], "stop_loss": [90.0, 130], "take_profit": [130, 90],
    }  # fmt: skip
    assert desk.landscape.on_replica(
        "select signals_not_known, signals_imported, longest_delay_seconds > 0, edit_findings"
        f" from operations.model_audit where model_id = {desk.model_id}"
    ) == [(1, 1, True, 6)]
    seen = status(desk.landscape.primary, desk.landscape.replica).audit_findings
    assert set(seen) == {"high", "medium"}


def _kinds(signal: Signal, late: timedelta | None) -> set[str]:
    """What is wrong with a signal of the past, bar by bar."""
    found = set()
    if late is not None and late > DELAY:
        found.add("back_dated")
    if late is not None and late < -60 * SECOND:
        found.add("future_dated")
    at = signal.created_at
    sign = 1 if signal.signal_type == "BUY" else -1

    def off(value: Decimal, bars: list[Bar]) -> int:
        """1 for a price above the bars, -1 for one below."""
        above = value > max(bar.high for bar in bars) * (1 + TOLERANCE)
        return above - (value < min(bar.low for bar in bars) * (1 - TOLERANCE))

    closed = [bar for bar in BARS if bar.opened_at + HOUR <= at][-1:]
    opened = [bar for bar in BARS if bar.opened_at < at < bar.opened_at + HOUR]
    said = signal.metadata.get("entry_price")
    entry = None if said is None else Decimal(str(said))
    assert signal.stop_loss is not None
    assert signal.take_profit is not None
    if entry is not None and off(entry, closed + opened):
        found.add("entry_off_market")
    if entry in [bar.close for bar in opened] and entry != closed[0].close:
        found.add("open_bar_close")
    if off(signal.stop_loss, closed + opened) == sign:
        found.add("stop_off_market")
    if off(signal.take_profit, closed + opened) == -sign:
        found.add("target_off_market")

    judged = [
        JudgedBar(bar.opened_at, bar.opened_at + HOUR, bar.open, bar.high, bar.low, bar.close)
        for bar in BARS
    ]
    assert signal.expires_at is not None
    outcome = judge(
        signal.signal_type, at, signal.expires_at, signal.stop_loss, signal.take_profit, judged
    )
    if outcome.bars_held is None:
        return found
    held = [bar for bar in BARS if bar.opened_at >= at][: outcome.bars_held]
    left, claim = signal.metadata.get("exit_price"), signal.metadata.get("outcome")
    if left is not None and off(Decimal(str(left)), held):
        found.add("exit_off_market")
    if claim == "TAKE_PROFIT" and off(signal.take_profit, held) == sign:
        found.add("target_not_reached")
    if claim == "STOP_LOSS" and off(signal.stop_loss, held) == -sign:
        found.add("stop_not_reached")
    return found


def test_any_signal_is_judged_as_bar_by_bar_and_from_changes_as_in_full(desk: Desk) -> None:
    random = Random(5)
    expected: dict[str, set[str]] = {}
    for number in range(400):
        at = START + random.randrange(60, 60 * (HOURS - 3)) * timedelta(minutes=1)
        sign = random.choice((1, -1))
        now = price(int((at - START) / HOUR)) + random.randrange(-6, 7)
        near = Decimal(random.randrange(1, 9))
        claims = {
            "entry_price": random.choice((None, int(now), str(now), float(price(number)))),
            "exit_price": random.choice((None, int(now), int(now) + 4)),
            "outcome": random.choice((None, "TAKE_PROFIT", "STOP_LOSS", "EXPIRED")),
        }
        key = f"random {number}"
        signal = Signal(
            "BTCUSD", "BUY" if sign > 0 else "SELL", 0.5, at,
            at + random.randrange(1, 15) * HOUR, None, now - sign * near, now + sign * near,
            {name: value for name, value in claims.items() if value is not None},
            idempotency_key=key,
        )  # fmt: skip
        late = random.choice((None, SECOND, DELAY, DELAY + SECOND, -60 * SECOND, -61 * SECOND))
        desk.tell_history(signal, late=late)
        if kinds := _kinds(signal, late):
            expected[key] = kinds
    found = desk.found()
    assert {key: kinds for key, kinds in found.items() if key.startswith("random")} == expected
    assert len(set().union(*expected.values())) == 9

    # The same from changes, under signals that were judged before.
    desk.landscape.on_primary(
        """
        update market_bars set high = high + 30 where extract(hour from opened_at) = 13;
        delete from market_bars where extract(hour from opened_at) = 17;
        update market_bars set close = close + 1, high = high + 1
        where extract(hour from opened_at) = 12;
        update trading_orders set filled_price = filled_price + 40 where side = 'SELL';
        update ai_trading_signals set symbol = 'ETHUSD' where idempotency_key = 'random 7';
        update ai_trading_signals set metadata = '{"entry_price": 150}'
        where idempotency_key like 'random 1%';
        delete from ai_trading_signals where idempotency_key like 'random 2%';
        """
    )
    desk.found()
    models = ("int_signal_findings", "int_signal_fills", "int_signal_edits")

    def stored() -> list[list[tuple[object, ...]]]:
        return [
            desk.landscape.on_replica(f"select t::text from intermediate.{name} as t order by 1")
            for name in models
        ]

    from_changes = stored()
    assert from_changes[0] != [] != from_changes[2]
    assert set(
        desk.landscape.on_replica(
            "select node_name, build_mode from changes.build_results where build_id ="
            " (select build_id from changes.builds order by started_at desc limit 1)"
            f" and node_name = any(array{list(models)})"
        )
    ) == {(name, "changes") for name in models}
    full = builds.build(
        desk.landscape.primary,
        desk.landscape.replica,
        fence_timeout=60,
        advance=lambda done, total, at: None,
        select=models,
        exclude=("resource_type:test",),
        full_refresh=True,
        target=desk.target,
    )
    assert full.failures == ()
    assert stored() == from_changes
