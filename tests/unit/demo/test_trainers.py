"""The reference trainers on training sets that are made here, and what they should find there."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from demo_worlds import HOUR, START, bars_of, check_signals, check_training, replay, walk
from pyarrow import parquet

from runner.client.records import Bar, Episode, Generation, Model, SpectrumResult
from runner.demo.history import History
from runner.demo.market import synthetic_market
from runner.demo.modules import GeneticModule, ReinforcementModule, SpectrumModule
from runner.demo.modules.base import AIModule
from runner.demo.modules.reinforcement import LOOKBACK, market_states
from runner.demo.trainers import genetic, reinforcement, spectrum
from runner.demo.trainers.knowledge import past_decisions
from runner.errors import UsageError
from runner.retraining.trainers import Assignment, Candidate, LastVersion, Trainer

DAYS = 40
END = START + DAYS * 24 * HOUR
SCHEMA = pyarrow.schema(
    [
        *((name, pyarrow.string()) for name in ("kind", "key", "symbol", "trade_plan_id", "side")),
        *((name, pyarrow.timestamp("us", tz="UTC")) for name in ("at", "resolved_at")),
        *((name, pyarrow.decimal128(38, 18)) for name in ("price_target", "stop_loss")),
        *(
            (f"{side}_{what}", pyarrow.decimal128(38, 18))
            for side in ("bought", "sold")
            for what in ("quantity", "amount")
        ),
        *(
            (name, pyarrow.decimal128(38, 18))
            for name in ("fees", "open", "high", "low", "close", "volume")
        ),
        ("timeframe", pyarrow.string()),
        ("outcome_return", pyarrow.float64()),
    ]
)


def bar_rows(bars: Sequence[Bar]) -> list[dict[str, Any]]:
    return [
        {
            "kind": "bar",
            "symbol": bar.symbol,
            "timeframe": bar.timeframe,
            "at": bar.opened_at,
            **{name: getattr(bar, name) for name in ("open", "high", "low", "close", "volume")},
        }
        for bar in bars
    ]


def write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    parquet.write_table(pyarrow.Table.from_pylist(list(rows), schema=SCHEMA), path)
    return path


def assignment(path: Path, kind: str, **given: Any) -> Assignment:
    last = LastVersion("1.0.0", given.pop("config", {}), given.pop("artifact", None))
    return Assignment("m", kind, path, END, last, given.pop("seed", 4), given.pop("options", {}))


def silent(done: float, text: str) -> None:
    assert 0.0 <= done <= 1.0
    assert text


@pytest.fixture(scope="module")
def market() -> list[Bar]:
    return synthetic_market(3, DAYS)


@pytest.fixture(scope="module")
def training_set(market: list[Bar], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A market, and signals of two models with the return of the next 12 bars."""
    closes: dict[str, list[Bar]] = {}
    for bar in market:
        closes.setdefault(bar.symbol, []).append(bar)
    signals = [
        signal
        for module in (ReinforcementModule(1, retrain_bars=72), SpectrumModule(1))
        for signal in replay(module, market)[1]
    ]
    rows = bar_rows(market)
    for number, signal in enumerate(signals):
        own = closes[signal.symbol]
        place = next(n for n, bar in enumerate(own) if bar.closed_at == signal.created_at)
        if place + 12 >= len(own):
            continue
        move = float(own[place + 12].close / own[place].close) - 1.0
        rows.append(
            {
                "kind": "signal",
                "key": str(number),
                "symbol": signal.symbol,
                "at": signal.created_at,
                "side": signal.signal_type,
                "outcome_return": {"BUY": move, "SELL": -move}.get(signal.signal_type),
                "resolved_at": own[place + 12].closed_at,
            }
        )
    return write(tmp_path_factory.mktemp("sets") / "set.parquet", rows)


KINDS: dict[str, tuple[Trainer, Callable[[], AIModule], type]] = {
    "reinforcement_learning": (reinforcement.train, lambda: ReinforcementModule(9), Episode),
    "genetic_optimization": (genetic.train, lambda: GeneticModule(9), Generation),
    "sparse_spectrum": (spectrum.train, lambda: SpectrumModule(9), SpectrumResult),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def candidates(training_set: Path) -> dict[str, Candidate]:
    return {
        kind: train(assignment(training_set, kind), silent) for kind, (train, _, _) in KINDS.items()
    }


@every_kind
def test_the_same_assignment_gives_the_same_candidate(
    kind: str, candidates: dict[str, Candidate], training_set: Path
) -> None:
    train, _, _ = KINDS[kind]
    assert train(assignment(training_set, kind), silent) == candidates[kind]


@every_kind
def test_a_candidate_is_a_version_that_gives_signals(
    kind: str, candidates: dict[str, Candidate], market: list[Bar]
) -> None:
    _, make, record = KINDS[kind]
    candidate = candidates[kind]
    assert candidate.records
    assert all(isinstance(each, record) for each in candidate.records)
    check_training(candidate.records)
    json.dumps(candidate.config, allow_nan=False)
    module = make()
    version = Model(kind, "m", "2.0.0", candidate.config)
    module.restore(version, candidate.artifact)
    training, signals = replay(module, market)
    assert not training
    assert module.model == version
    check_signals(signals, market)
    assert {signal.signal_type for signal in signals} >= {"BUY", "SELL"}


@every_kind
def test_what_cannot_be_learned_from_is_named(kind: str, tmp_path: Path) -> None:
    train, _, _ = KINDS[kind]
    few = write(tmp_path / "few.parquet", bar_rows(bars_of(list(walk(50)))))
    with pytest.raises(UsageError, match=r"no symbol has 336 bars|0 decisions"):
        train(assignment(few, kind), silent)
    with pytest.raises(UsageError, match="horizon must be a whole number"):
        train(assignment(few, kind, options={"horizon": 0.5}), silent)
    with pytest.raises(UsageError, match="unknown option colour"):
        train(assignment(few, kind, options={"colour": 1}), silent)


def test_the_last_version_is_gone_on_from(
    training_set: Path, candidates: dict[str, Candidate]
) -> None:
    first = candidates["genetic_optimization"]
    options = {"generations": 3}
    later = genetic.train(
        assignment(
            training_set,
            "genetic_optimization",
            config={**first.config, "population": 12},
            artifact=first.artifact,
            options=options,
        ),
        silent,
    )
    assert later.config["population"] == 12
    assert len(later.records) == 3
    forward = later.config["walk_forward"]
    assert len(forward) >= 2
    assert [each["until"] for each in forward] == sorted(each["until"] for each in forward)
    assert any(each["last_version"] is not None for each in forward)
    assert any(each["out_of_sample"] is not None for each in forward)


def test_walking_forward_sees_no_later_bar(
    market: list[Bar], tmp_path: Path, candidates: dict[str, Candidate]
) -> None:
    """The searches before a moment are the same, whatever comes after it."""
    forward = candidates["genetic_optimization"].config["walk_forward"]
    cut = forward[1]["until"]
    changed = [
        bar
        if bar.closed_at.isoformat() <= cut
        else bars_of([1, 1], bar.symbol, [bar.opened_at] * 2)[0]
        for bar in market
    ]
    other = genetic.train(
        assignment(write(tmp_path / "other.parquet", bar_rows(changed)), "genetic_optimization"),
        silent,
    ).config["walk_forward"]
    assert [each["in_sample"] for each in other[:2]] == [each["in_sample"] for each in forward[:2]]
    assert other[0] == forward[0]
    assert other[1]["out_of_sample"] != forward[1]["out_of_sample"]


def planted(tmp_path: Path, count: int, *, rare: bool = False) -> tuple[Path, History]:
    """Random decisions: BUY pays a usual move in turbulent states, and costs one in calm ones.

    ``rare`` adds a single SELL in each turbulent state that paid ten moves.
    """
    bars = bars_of(list(walk(24 * DAYS, seed=4)))
    history = History(bars)
    series = history["TEST"]
    path = market_states(series, len(series) - LOOKBACK)
    usual = float((series.log_close[12:] - series.log_close[:-12]).std())
    random = np.random.default_rng(7)
    rows = bar_rows(bars)
    sold = set[int]()
    for number in range(count):
        place = int(random.integers(LOOKBACK, len(series) - 13))
        state = int(path[place - LOOKBACK])
        side, paid = (
            ("BUY", 1.0 if state % 2 else -1.0) if random.random() < 0.7 else ("SELL", -1.0)
        )
        if rare and state % 2 and state not in sold:
            sold.add(state)
            side, paid = "SELL", 3.0
        elif rare and state % 2:
            side, paid = "BUY", 1.0
        rows.append(
            {
                "kind": "signal",
                "key": str(number),
                "symbol": "TEST",
                "at": bars[place].closed_at + timedelta(minutes=1),
                "side": side,
                "outcome_return": usual * (paid + float(random.normal(0.0, 0.5))),
                "resolved_at": bars[place + 12].closed_at,
            }
        )
    return write(tmp_path / "planted.parquet", rows), history


def test_what_paid_is_done_and_what_cost_is_left(tmp_path: Path) -> None:
    path, history = planted(tmp_path, 3000)
    candidate = reinforcement.train(assignment(path, "reinforcement_learning"), silent)
    values = np.array(json.loads(candidate.artifact)["values"])
    series = history["TEST"]
    seen = np.bincount(market_states(series, len(series) - LOOKBACK), minlength=len(values) // 3)
    for state in np.flatnonzero(seen > 20):
        action = int(values[3 * state + 1].argmax())  # flat until now
        assert action == (2 if state % 2 else 1), state
    replayed = candidate.config["replayed"]
    assert replayed["mean_reward_agreed"] > replayed["mean_reward"] + 0.3


def test_one_lucky_decision_is_not_believed(tmp_path: Path) -> None:
    path, _ = planted(tmp_path, 3000, rare=True)
    candidate = reinforcement.train(assignment(path, "reinforcement_learning"), silent)
    values = np.array(json.loads(candidate.artifact)["values"])
    turbulent = [3 * state + 1 for state in range(1, len(values) // 3, 2)]
    chosen = values[turbulent].argmax(axis=1)
    assert not (chosen == 0).any()
    assert (chosen == 2).sum() > 5


def test_orders_come_before_bars(tmp_path: Path) -> None:
    amounts = {"bought_quantity": 2, "bought_amount": 200, "sold_quantity": 2}
    rows = [
        {
            "kind": "signal",
            "key": "1",
            "symbol": "TEST",
            "at": START,
            "side": "BUY",
            "trade_plan_id": "7",
            "outcome_return": 0.5,
            "resolved_at": START + HOUR,
        },
        {"kind": "plan", "key": "7", "symbol": "TEST", "at": START, "sold_amount": 210, "fees": 4}
        | amounts,
        {
            "kind": "plan",
            "key": "8",
            "symbol": "TEST",
            "at": START + HOUR,
            "price_target": 100,
            "stop_loss": 110,
            "sold_amount": 240,
        }
        | amounts,
        # Not closed, and of no known side: nothing is learned from them.
        {"kind": "plan", "key": "9", "symbol": "TEST", "at": START, "stop_loss": 1}
        | {"price_target": 2, "bought_quantity": 1},
        {"kind": "plan", "key": "10", "symbol": "TEST", "at": START, "sold_amount": 1} | amounts,
    ]
    found = past_decisions(write(tmp_path / "plans.parquet", rows))
    assert [each.direction for each in found] == [1, -1]
    assert [each.return_ for each in found] == pytest.approx([0.03, 40 / 240])
