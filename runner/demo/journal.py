"""Collects the rows of a market's replay and writes them, a number of bars at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby, islice
from typing import Any

from runner.client import AITradingIntegration
from runner.client.operation import MAX_ROWS
from runner.client.records import (
    Bar,
    Episode,
    Generation,
    Model,
    PlatformKey,
    Signal,
    SpectrumResult,
)
from runner.demo import writer
from runner.demo.orders import Order, Plan
from runner.demo.traders import Activity
from runner.retraining.trainers import TrainingRecord
from runner.servers.database import Connection


@dataclass(frozen=True, slots=True)
class IssuedSignal:
    """A signal with the plan made from it; a pattern is related to it for ``pattern_age``."""

    model: Model
    signal: Signal
    pattern_age: timedelta
    plan: Plan | None

    @property
    def idempotency_key(self) -> str:
        """One signal a model version, symbol and time: a second write of it changes nothing."""
        return (
            f"{self.model.model_name}/{self.model.version}/{self.signal.symbol}/"
            f"{self.signal.created_at:%Y%m%dT%H%M%SZ}"
        )


class Journal:
    """Rows that wait for their transaction, and the ids of those that were written.

    Signals and trainings of the AI modules go through the data access layer, as for any module.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._integration = AITradingIntegration.inside(connection)
        self._plan_ids: dict[Plan, PlatformKey] = {}
        self._signal_keys: dict[Plan, str] = {}
        self._order_ids: dict[Order, int] = {}
        self._model_ids: dict[tuple[str, str], int] = {}
        self.counts: Counter[str] = Counter()
        self.bars: list[Bar] = []
        self.signals: list[IssuedSignal] = []
        self.trainings: list[tuple[Model, Sequence[TrainingRecord]]] = []

    @property
    def orders(self) -> list[Order]:
        """Every order written so far, in the order they were placed."""
        return list(self._order_ids)

    def register(self, model: Model, at: datetime) -> int:
        """Register a model; return the number of its next episode or generation."""
        model_id = self._integration.register_model(model, at=at)
        self._model_ids[model.model_name, model.version] = model_id
        return 1 + self._integration.last_training_number(model_id)

    def write(self, activity: Activity, at: datetime) -> None:
        """Write everything collected and ``activity``; expire signals due at ``at``.

        Raises ValueError where a bar was in the database before.
        """
        self._write_bars()
        if activity.patterns:
            writer.write_patterns(self._connection, activity.patterns)
            self.counts["patterns"] += len(activity.patterns)
        from_signals = {issued.plan for issued in self.signals}
        own = [plan for plan in activity.plans if plan not in from_signals]
        if own:
            ids = writer.write_plans(self._connection, own)
            self._plan_ids.update(zip(own, ids, strict=True))
        self.counts["plans"] += len(activity.plans)
        self._write_signals()
        self._write_orders(activity.orders)
        self._write_trainings()
        if self._model_ids:
            model_ids = list(self._model_ids.values())
            self.counts["expired"] += self._integration.expire_due_signals(
                at=at, model_ids=model_ids
            )

    def _write_bars(self) -> None:
        waiting = iter(self.bars)
        stored = 0
        while chunk := list(islice(waiting, MAX_ROWS)):
            stored += self._integration.store_market_bars(chunk)
        if stored < len(self.bars):
            raise ValueError(f"{len(self.bars) - stored} bars were in the database before")
        self.counts["bars"] += stored
        self.bars.clear()

    def _write_orders(self, orders: Sequence[Order]) -> None:
        known = {self._order_ids[order]: order for order in orders if order in self._order_ids}
        fresh = [order for order in orders if order not in self._order_ids]
        if known:
            writer.update_orders(self._connection, known)
        if fresh:
            ids = writer.write_orders(self._connection, fresh, self._plan_ids, self._signal_keys)
            self._order_ids.update(zip(fresh, ids, strict=True))
            self.counts["orders"] += len(ids)

    def _write_signals(self) -> None:
        patterns = self._related_patterns()
        ids = self._integration.store_ai_signals(
            replace(
                issued.signal,
                model_id=self._model_ids[issued.model.model_name, issued.model.version],
                pattern_id=pattern_id,
                idempotency_key=issued.idempotency_key,
            )
            for issued, pattern_id in zip(self.signals, patterns, strict=True)
        )
        # The platform of before the AI tables has none.
        if ids:
            writer.store_at_their_time(self._connection, ids)
        taken: dict[PlatformKey, Plan] = {}
        for id_, issued in zip(ids, self.signals, strict=True):
            if issued.plan is not None:
                plan_id = self._integration.create_trade_plan_from_ai_signal(
                    id_, at=issued.plan.created_at
                )
                taken[plan_id] = issued.plan
                self._plan_ids[issued.plan] = plan_id
                self._signal_keys[issued.plan] = issued.idempotency_key
        writer.take_up_plans(self._connection, taken)
        self.counts["signals"] += len(ids)
        self.counts["executed"] += len(taken)
        self.signals.clear()

    def _related_patterns(self) -> list[PlatformKey | None]:
        """The id of the pattern that each waiting signal is compared with."""
        found: list[PlatformKey | None] = []
        for age, group in groupby(self.signals, key=lambda issued: issued.pattern_age):
            asked = [(issued.signal.symbol, issued.signal.created_at) for issued in group]
            patterns = self._integration.find_related_patterns(asked, within=age)
            found.extend(None if pattern is None else pattern.pattern_id for pattern in patterns)
        return found

    def _write_trainings(self) -> None:
        stores: dict[type, Callable[[int, list[Any]], object]] = {
            Episode: self._integration.store_episodes,
            Generation: self._integration.store_generations,
            SpectrumResult: self._integration.store_spectrum_results,
        }
        for model, records in self.trainings:
            model_id = self._model_ids[model.model_name, model.version]
            for kind, of_kind in groupby(records, type):
                stores[kind](model_id, list(of_kind))
            self.counts["trainings"] += 1
            self.counts["training_records"] += len(records)
        self.trainings.clear()
