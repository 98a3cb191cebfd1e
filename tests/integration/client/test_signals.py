"""The data access layer on real servers: what is stored, and what is refused."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from ai_desk import AT, BAR, MODEL, SIGNAL, Desk

from runner.client import (
    AITradingIntegration,
    DuplicateRecordError,
    ExecutedSignalError,
    ExpiredSignalError,
    HoldSignalError,
    InvalidRecordError,
    ModelConflictError,
    PlanRefusedError,
    PlatformTableError,
    StoreError,
    UnknownSignalError,
)
from runner.client.records import Episode, Generation, Signal, SpectrumResult
from runner.deploy.migrations import FOLDER
from runner.errors import UsageError
from runner.settings import PROJECT

# --- what is stored, and what comes of it -------------------------------------------------------


def test_a_signal_is_kept_as_it_is(desk: Desk) -> None:
    signal = desk.signal(
        expires_at=AT + timedelta(hours=4), metadata={"a": ["'; drop table x; --", {"ü": None}]}
    )
    id_ = desk.module.store_ai_signal(signal)
    names = ", ".join(
        f.name for f in fields(Signal) if f.name not in ("pattern_id", "idempotency_key")
    )
    row = desk.look(f"select {names}, status, updated_at from ai_trading_signals where id = {id_}")
    assert row == [
        (*(getattr(signal, name) for name in names.split(", ")), "ACTIVE", signal.created_at)
    ]


def test_every_kind_of_record_is_stored(desk: Desk) -> None:
    module, id_ = desk.module, desk.model_id
    assert module.register_model(MODEL) == id_
    assert desk.look("select created_at, config from ai_models") == [(AT, {"window": 64})]
    assert module.last_training_number(id_) == 0
    episode = Episode(3, 2.5, 100, None, Decimal("10000.5"), 1.25, AT, {"a": 1})
    assert module.store_episode(id_, episode) > 0
    numbers = range(4, 9)
    ids = module.store_episodes(id_, [replace(episode, episode_number=n) for n in numbers])
    assert desk.look("select id, episode_number from rl_training_episodes offset 1") == list(
        zip(ids, numbers, strict=True)
    )
    generation = Generation(12, 2.0, 1.0, None, {"fast": 3}, AT)
    module.store_generation(id_, generation)
    module.store_generations(id_, [replace(generation, generation_number=11)])
    assert module.last_training_number(id_) == 12
    result = SpectrumResult("BTCUSD", "wavelet", ({"period": 24.0, "power": 0.5},), 0.5, -2.0, AT)
    module.store_spectrum_result(id_, result)
    assert len(module.store_spectrum_results(id_, [result] * 3)) == 3
    assert desk.look("select distinct symbol, dominant_frequencies from spectrum_analysis") == [
        ("BTCUSD", [{"period": 24.0, "power": 0.5}])
    ]
    assert module.store_market_bars([BAR, replace(BAR, timeframe="4h")]) == 2
    # Overlapping rows are skipped.
    assert module.store_market_bars([BAR, replace(BAR, timeframe="1d")]) == 1
    for nothing in (module.store_ai_signals([]), module.store_episodes(id_, [])):
        assert nothing == []
    assert module.store_market_bars([]) == 0


def test_the_related_pattern_is_never_a_later_one(desk: Desk) -> None:
    desk.landscape.on_primary(
        "insert into micro_patterns (symbol, timeframe, pattern_type, confidence, signal,"
        " created_at) values ('BTCUSD', '1h', 'breakout', 0.5, 'BUY', '2025-03-01 10:00Z'),"
        " ('BTCUSD', '1h', 'pullback', 0.5, 'BUY', '2025-03-01 12:00Z'),"
        " ('ETHUSD', '1h', 'ma_cross', 0.5, 'BUY', '2025-03-01 11:00Z')"
    )
    find = desk.module.find_related_pattern
    found = find("BTCUSD", AT)
    assert found is not None
    assert (found.pattern_type, found.created_at) == ("pullback", AT)
    earlier = find("BTCUSD", AT - timedelta(microseconds=1))
    assert earlier is not None
    assert earlier.pattern_type == "breakout"
    assert find("BTCUSD", AT - timedelta(seconds=1), within=timedelta(hours=1)) is None
    assert find("BTCUSD", AT - timedelta(days=1)) is None
    assert find("DOGEUSD", AT) is None
    asked = [("DOGEUSD", AT), ("ETHUSD", AT), ("BTCUSD", AT)]
    types = [p and p.pattern_type for p in desk.module.find_related_patterns(asked)]
    assert types == [None, "ma_cross", "pullback"]
    id_ = desk.module.store_ai_signal(desk.signal(pattern_id=found.pattern_id))
    assert desk.look(f"select pattern_id from ai_trading_signals where id = {id_}") == [
        (found.pattern_id,)
    ]


def test_a_plan_is_made_once_and_linked(desk: Desk) -> None:
    id_ = desk.module.store_ai_signal(desk.signal())
    plan = desk.module.create_trade_plan_from_ai_signal(id_, at=AT + timedelta(minutes=5))
    assert desk.module.create_trade_plan_from_ai_signal(id_) == plan
    assert desk.look("select status, trade_plan_id from ai_trading_signals") == [("EXECUTED", plan)]
    assert desk.look(
        "select id, symbol, strategy, entry_price_target, stop_loss_price, take_profit_1_price,"
        " created_at, signal_details ->> 'signal_id', signal_details ->> 'model',"
        " (signal_details -> 'confidence')::float8 from trade_plans"
    ) == [
        (
            plan,
            "BTCUSD",
            "ai",
            Decimal("101.5"),
            Decimal(99),
            Decimal("103.00000001"),
            AT + timedelta(minutes=5),
            str(id_),
            "listener",
            0.75,
        )
    ]
    # A plan is not older than its signal, whatever the clocks say.
    late = desk.module.store_ai_signal(desk.signal())
    desk.module.create_trade_plan_from_ai_signal(late, at=AT - timedelta(hours=1))
    assert desk.look("select max(created_at), min(created_at) from trade_plans") == [
        (AT + timedelta(minutes=5), AT)
    ]


def test_no_plan_comes_of_these(desk: Desk) -> None:
    module = desk.module
    plan = module.create_trade_plan_from_ai_signal
    with pytest.raises(UnknownSignalError, match=r"there is no signal 9+ \(give the id"):
        plan(99999)
    with pytest.raises(InvalidRecordError, match="signal_id 0 is not an id"):
        plan(0)
    hold = module.store_ai_signal(replace(desk.signal(), signal_type="HOLD"))
    with pytest.raises(HoldSignalError, match=f"signal {hold} says HOLD"):
        plan(hold)
    due = module.store_ai_signal(desk.signal(expires_at=AT + timedelta(hours=1)))
    with pytest.raises(ExpiredSignalError, match=f"signal {due} expired at 2025-03-01 13:00"):
        plan(due, at=AT + timedelta(hours=1))
    with pytest.raises(ExpiredSignalError):
        plan(due)
    assert module.expire_due_signals(at=AT, model_ids=[desk.model_id]) == 0
    assert module.expire_due_signals(model_ids=[desk.model_id + 1]) == 0
    assert module.expire_due_signals() == 1
    with pytest.raises(ExpiredSignalError):
        plan(due, at=AT)
    executed = module.store_ai_signal(desk.signal())
    assert module.record_execution(executed) is True
    assert module.record_execution(executed) is False
    with pytest.raises(ExecutedSignalError, match="executed without a plan"):
        plan(executed)
    assert desk.look("select count(*) from trade_plans") == [(0,)]


def test_an_execution_is_recorded_once(desk: Desk) -> None:
    module = desk.module
    first, second = (module.store_ai_signal(desk.signal()) for _ in range(2))
    plan = module.create_trade_plan_from_ai_signal(first)
    assert module.record_execution(second, trade_plan_id=plan) is True
    assert module.record_execution(second, trade_plan_id=plan) is False
    assert module.create_trade_plan_from_ai_signal(second) == plan
    with pytest.raises(ExecutedSignalError, match=f"executed with plan {plan}"):
        module.record_execution(second)
    with pytest.raises(UnknownSignalError):
        module.record_execution(99999)
    due = module.store_ai_signal(desk.signal(expires_at=AT + timedelta(hours=1)))
    with pytest.raises(InvalidRecordError, match="trade_plan_id 77777 is no plan"):
        module.record_execution(due, trade_plan_id=77777, at=AT)
    with pytest.raises(ExpiredSignalError):
        module.record_execution(due)
    assert module.record_execution(due, at=AT) is True


def test_the_platform_may_refuse_a_plan(desk: Desk) -> None:
    long = desk.module.store_ai_signal(desk.signal(symbol="X" * 30))
    with pytest.raises(PlanRefusedError, match=r"too long for type character varying\(20\)"):
        desk.module.create_trade_plan_from_ai_signal(long)
    bare = desk.module.store_ai_signal(desk.signal(price_target=None))
    with pytest.raises(PlanRefusedError, match=r'"entry_price_target".*violates not-null'):
        desk.module.create_trade_plan_from_ai_signal(bare)
    desk.landscape.on_primary("alter table trade_plans rename to plans")
    try:
        with pytest.raises(PlatformTableError, match="record_ai_signal_execution"):
            desk.module.create_trade_plan_from_ai_signal(bare)
    finally:
        desk.landscape.on_primary("alter table plans rename to trade_plans")
    assert desk.look("select distinct status from ai_trading_signals") == [("ACTIVE",)]


def test_what_does_not_exist_is_named(desk: Desk) -> None:
    module = desk.module
    with pytest.raises(InvalidRecordError, match="model_id 999 is no registered model"):
        module.store_ai_signal(replace(SIGNAL, model_id=999))
    with pytest.raises(InvalidRecordError, match="pattern_id 999 is no pattern"):
        module.store_ai_signal(desk.signal(pattern_id=999))
    with pytest.raises(InvalidRecordError, match="model_id None is missing"):
        module.store_ai_signal(SIGNAL)
    good = [desk.signal() for _ in range(5)]
    with pytest.raises(InvalidRecordError, match="signal 5: model_id 999 is no") as caught:
        module.store_ai_signals([*good, replace(SIGNAL, model_id=999)])
    assert (caught.value.index, caught.value.field, caught.value.value) == (5, "model_id", 999)
    with pytest.raises(InvalidRecordError, match="signal 2: pattern_id 998 is no pattern"):
        module.store_ai_signals([*good[:2], desk.signal(pattern_id=998)])
    episode = Episode(1, 1.0, 1, None, None, None, AT)
    with pytest.raises(InvalidRecordError, match="model_id 999 is no registered model"):
        module.store_episode(999, episode)
    with pytest.raises(ModelConflictError, match="is registered as sparse_spectrum"):
        module.register_model(replace(MODEL, model_type="reinforcement_learning"))
    with pytest.raises(InvalidRecordError, match="model_type 'an oracle' is not a word"):
        module.register_model(replace(MODEL, model_name="new", model_type="an oracle"))
    for table in ("ai_trading_signals", "rl_training_episodes"):
        assert desk.look(f"select count(*) from {table}") == [(0,)]


def test_a_training_number_is_stored_once(desk: Desk) -> None:
    episodes = [Episode(n, 1.0, 1, None, None, None, AT) for n in range(10)]
    desk.module.store_episode(desk.model_id, episodes[7])
    with pytest.raises(
        DuplicateRecordError, match=r"episode 7: model_id \d+, episode_number 7 is stored already"
    ) as caught:
        desk.module.store_episodes(desk.model_id, episodes)
    assert caught.value.index == 7
    with pytest.raises(DuplicateRecordError):
        desk.module.store_episode(desk.model_id, episodes[7])
    assert desk.look("select count(*) from rl_training_episodes") == [(1,)]


def test_bars_may_be_the_platforms_own(desk: Desk) -> None:
    desk.landscape.on_primary("revoke insert on market_bars from ai_writer")
    try:
        with pytest.raises(StoreError, match="market_bars is the platform's own table"):
            desk.module.store_market_bars([BAR])
    finally:
        desk.landscape.on_primary("grant insert on market_bars to ai_writer")


def test_it_works_inside_a_callers_transaction(desk: Desk) -> None:
    with desk.landscape.primary.connect() as connection:
        connection.execute("select 1")
        inside = AITradingIntegration.inside(connection)
        kept = inside.store_ai_signals([desk.signal(idempotency_key="kept")])
        with pytest.raises(UnknownSignalError):
            inside.create_trade_plan_from_ai_signal(99999)
        # The failure took nothing else with it.
        assert (
            inside.store_ai_signals([desk.signal(), desk.signal(idempotency_key="kept")])[1]
            == kept[0]
        )
        inside.create_trade_plan_from_ai_signal(kept[0])
        connection.rollback()
        with pytest.raises(UsageError, match="no analytics pool"):
            inside.read("select 1")
    assert desk.look("select count(*) from ai_trading_signals") == [(0,)]
    assert desk.look("select count(*) from trade_plans") == [(0,)]


# --- the guide ----------------------------------------------------------------------------------


def test_the_guides_examples_run(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    guide = (PROJECT / "docs" / "connect-your-module.md").read_text("utf-8")
    login, *calls = re.findall(r"```sql\n(.*?)```", guide, re.DOTALL)
    server = desk.landscape.primary.parameters()
    address = f"{server['host']}:{server['port']}/{server['dbname']}"
    desk.landscape.on_primary(login)
    try:
        monkeypatch.setenv("PRIMARY_URL", f"postgresql://momentum:change%20me@{address}")
        monkeypatch.setenv("REPLICA_URL", desk.landscape.replica.url)
        names: dict[str, Any] = {}
        for example in re.findall(r"```python\n(.*?)```", guide, re.DOTALL):
            exec(example, names)  # noqa: S102 - ours
        assert names["expired"] == 0
        with psycopg.connect(f"postgresql://momentum:change%20me@{address}") as connection:
            for call in calls:
                connection.execute(call.encode())
    finally:
        desk.landscape.on_primary("drop role momentum")
    assert desk.look(
        "select s.symbol, s.status, p.id = s.trade_plan_id, p.entry_price_target, p.strategy"
        " from ai_trading_signals as s inner join trade_plans as p on s.symbol = p.symbol"
        " order by s.id"
    ) == [
        ("BTCUSD", "EXECUTED", True, Decimal("64250.5"), "ai"),
        ("ETHUSD", "EXECUTED", True, Decimal("2410.5"), "ai"),
    ]


def test_the_guide_names_every_method_and_code() -> None:
    guide = (PROJECT / "docs" / "connect-your-module.md").read_text("utf-8")
    named = set(re.findall(r"`(\w+(?:\(s\))?)", guide)) | set(re.findall(r"\.(\w+)\(", guide))
    text = " ".join(migration.read_text("utf-8") for migration in FOLDER.glob("*.sql"))
    for code in sorted(set(re.findall(r"errcode = '(SM\d+)'", text))):
        assert code in guide
    for name in vars(AITradingIntegration):
        if not name.startswith("_") and name != "inside":
            assert {name, f"{name}(s)", f"{name.removesuffix('s')}(s)"} & named, name
