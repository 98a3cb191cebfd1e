"""Rows of the raw tables, as the AI modules and the demo hold them.

Times are timezone-aware UTC; prices are in the symbol's quote currency; a confidence is in 0..1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from runner.client.limits import AnalysisType, SignalType

PlatformKey = int | str | UUID
"""A key of the platform's patterns or plans, of the type that its own tables have."""

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def timeframe_length(timeframe: str) -> timedelta:
    """Length of a bar of ``timeframe``, such as ``15m``, ``1h``, ``1d`` or ``1w``."""
    return timedelta(**{_UNITS[timeframe[-1]]: int(timeframe[:-1])})


@dataclass(frozen=True, slots=True)
class Bar:
    """A price bar. It is known from ``closed_at`` on, never before."""

    symbol: str
    timeframe: str
    opened_at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal

    @property
    def closed_at(self) -> datetime:
        return self.opened_at + timeframe_length(self.timeframe)


@dataclass(frozen=True, slots=True)
class Model:
    """A version of an AI module.

    ``model_type`` is any word, such as ``supervised``. ``reinforcement_learning``,
    ``genetic_optimization`` and ``sparse_spectrum`` have training records of their own.
    """

    model_type: str
    model_name: str
    version: str
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Signal:
    """A model's signal for a symbol at ``created_at``.

    ``model_id`` is the id that registering the model returned, ``pattern_id`` the pattern that the
    signal was compared with. A signal that is stored again under its ``idempotency_key`` is stored
    once.
    """

    symbol: str
    signal_type: SignalType
    confidence: float
    created_at: datetime
    expires_at: datetime | None = None
    price_target: Decimal | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    model_id: int | None = None
    pattern_id: PlatformKey | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class RelatedPattern:
    """The platform's pattern that a signal is compared with."""

    pattern_id: PlatformKey
    pattern_type: str
    signal: SignalType
    confidence: float
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Episode:
    """An episode of a reinforcement learning model's training."""

    episode_number: int
    total_reward: float
    episode_length: int
    average_loss: float | None
    portfolio_value: Decimal | None
    sharpe_ratio: float | None
    created_at: datetime
    training_data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Generation:
    """A generation of a genetic optimization's population."""

    generation_number: int
    best_fitness: float
    average_fitness: float
    population_diversity: float | None
    best_individual: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class SpectrumResult:
    """A spectral analysis of a symbol's prices; the strongest frequency comes first."""

    symbol: str
    analysis_type: AnalysisType
    dominant_frequencies: tuple[Mapping[str, float], ...]
    pattern_confidence: float | None
    anomaly_score: float | None
    created_at: datetime
    analysis_data: Mapping[str, Any] = field(default_factory=dict)
