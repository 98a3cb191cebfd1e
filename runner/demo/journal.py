"""Collects what a market's replay has produced and writes it, so many bars at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from runner.database import Connection
from runner.demo import writer
from runner.demo.execution import Order, Plan
from runner.demo.modules.base import TrainingRecord
from runner.demo.patterns import Pattern
from runner.demo.traders import Activity
from runner.records import Bar, Episode, Generation, Model, Signal, SpectrumResult


@dataclass(frozen=True, slots=True)
class IssuedSignal:
    """A signal with the pattern it was compared with and the plan made from it."""

    model: Model
    signal: Signal
    pattern: Pattern | None
    plan: Plan | None

    @property
    def idempotency_key(self) -> str:
        """One signal a model version, symbol and time: a second write of it is refused."""
        return (
            f"{self.model.model_name}/{self.model.version}/{self.signal.symbol}/"
            f"{self.signal.created_at:%Y%m%dT%H%M%SZ}"
        )


class Journal:
    """Rows that wait for their transaction, and the ids of those that were written."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._pattern_ids: dict[Pattern, int] = {}
        self._plan_ids: dict[Plan, int] = {}
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
        model_id = writer.register_model(self._connection, model, at)
        self._model_ids[model.model_name, model.version] = model_id
        return writer.next_training_number(self._connection, model_id)

    def write(self, activity: Activity, at: datetime) -> None:
        """Write everything collected and ``activity``; expire what is due at ``at``."""
        connection = self._connection
        if self.bars:
            writer.write_bars(connection, self.bars)
            self.counts["bars"] += len(self.bars)
            self.bars.clear()
        if activity.patterns:
            ids = writer.write_patterns(connection, activity.patterns)
            self._pattern_ids.update(zip(activity.patterns, ids, strict=True))
            self.counts["patterns"] += len(ids)
        if activity.plans:
            ids = writer.write_plans(connection, activity.plans)
            self._plan_ids.update(zip(activity.plans, ids, strict=True))
            self.counts["plans"] += len(ids)
        self._write_orders(activity.orders)
        self._write_signals()
        self._write_trainings()
        if self._model_ids:
            model_ids = list(self._model_ids.values())
            self.counts["expired"] += writer.expire_signals(connection, model_ids, at)

    def _write_orders(self, orders: Sequence[Order]) -> None:
        known = {self._order_ids[order]: order for order in orders if order in self._order_ids}
        fresh = [order for order in orders if order not in self._order_ids]
        if known:
            writer.update_orders(self._connection, known)
        if fresh:
            ids = writer.write_orders(self._connection, fresh, self._plan_ids)
            self._order_ids.update(zip(fresh, ids, strict=True))
            self.counts["orders"] += len(ids)

    def _write_signals(self) -> None:
        if not self.signals:
            return
        writer.write_signals(
            self._connection,
            [
                (
                    self._model_ids[issued.model.model_name, issued.model.version],
                    issued.idempotency_key,
                    issued.signal,
                    self._pattern_ids[issued.pattern] if issued.pattern else None,
                    self._plan_ids[issued.plan] if issued.plan else None,
                )
                for issued in self.signals
            ],
        )
        self.counts["signals"] += len(self.signals)
        self.counts["executed"] += sum(issued.plan is not None for issued in self.signals)
        self.signals.clear()

    def _write_trainings(self) -> None:
        for model, records in self.trainings:
            model_id = self._model_ids[model.model_name, model.version]
            episodes = [record for record in records if isinstance(record, Episode)]
            generations = [record for record in records if isinstance(record, Generation)]
            results = [record for record in records if isinstance(record, SpectrumResult)]
            if episodes:
                writer.write_episodes(self._connection, model_id, episodes)
            if generations:
                writer.write_generations(self._connection, model_id, generations)
            if results:
                writer.write_spectrum(self._connection, model_id, results)
            self.counts["trainings"] += 1
            self.counts["training_records"] += len(records)
        self.trainings.clear()
