"""A forecaster that looks for cycles in three ways and extends the ones it finds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np

from runner.client.records import Model, SpectrumResult
from runner.demo.history import Floats, Series
from runner.demo.modules.base import AIModule, Decision, Direction
from runner.demo.modules.cycles import (
    ATOMS,
    STILL,
    TOP,
    WAVELET,
    CompressedSensing,
    Cycle,
    Finding,
    fourier,
    sinusoids,
    wavelet,
)

_APART = 1.25  # least ratio of the periods of two cycles of a forecast
_LEAST_SCORE = 0.25  # of a move worth speaking of, in its usual size


@dataclass(frozen=True, slots=True)
class _Forecast:
    """The move over the horizon, linear in the window's log prices.

    ``deviation`` is the move's usual size, ``confidence`` the trust in the cycles.
    """

    weights: Floats
    deviation: float
    confidence: float
    periods: tuple[float, ...]


class SpectrumModule(AIModule):
    """Cycles by Fourier, wavelet and compressed sensing, extended into a forecast.

    Each analysis of a symbol looks at its last ``window`` bars; until the next one, the sinusoids
    found are fitted to the latest prices at every close.

    Args:
        seed: of the bars that compressed sensing samples.
        name: the model's name.
        window: bars of an analysis.
        retrain_bars, horizon: see :class:`AIModule`.
    """

    def __init__(
        self,
        seed: int,
        name: str = "cycle_finder",
        *,
        window: int = 336,
        retrain_bars: int = 24,
        horizon: int = 12,
    ) -> None:
        config = {
            "methods": ["fourier", "wavelet", "compressed_sensing"],
            "window_bars": window,
            "retrain_bars": retrain_bars,
            "horizon_bars": horizon,
            "wavelet": WAVELET,
            "atoms": ATOMS,
        }
        super().__init__(
            Model("sparse_spectrum", name, "1.0.0", config),
            window=window,
            retrain_bars=retrain_bars,
            horizon=horizon,
            rest=6,
            least_edge=0.01,
        )
        self._sensing = CompressedSensing(window, horizon, np.random.default_rng(seed))
        self._analysed_at_size: dict[str, int] = {}
        self._forecasts: dict[str, _Forecast | None] = {}

    def _learned(self) -> dict[str, Any]:
        return {
            symbol: {**asdict(forecast), "weights": forecast.weights.tolist()}
            for symbol, forecast in self._forecasts.items()
            if forecast is not None
        }

    def _learn(self, learned: Mapping[str, Any]) -> None:
        self._forecasts = {
            symbol: _Forecast(
                np.array(forecast["weights"]),
                forecast["deviation"],
                forecast["confidence"],
                tuple(forecast["periods"]),
            )
            for symbol, forecast in learned.items()
        }

    def _train(self, markets: Sequence[Series], at: datetime) -> Sequence[SpectrumResult]:
        records: list[SpectrumResult] = []
        for series in markets:
            # Symbols have timeframes of their own: a daily series has not changed within the last
            # hour.
            gained = len(series) - self._analysed_at_size.get(series.symbol, 0)
            if gained >= self.retrain_bars:
                self._analysed_at_size[series.symbol] = len(series)
                records += self._analyse(series, at)
        self.next_number += len(records)
        return records

    def _analyse(self, series: Series, at: datetime) -> list[SpectrumResult]:
        log_close = series.log_close[-self.window :]
        self._forecasts[series.symbol] = None
        if float(np.diff(log_close).std()) < STILL:
            return []
        findings = [
            fourier(log_close),
            wavelet(log_close),
            self._sensing.analyse(log_close),
        ]
        self._forecasts[series.symbol] = _forecast(log_close, findings, self.horizon)
        return [
            SpectrumResult(
                symbol=series.symbol,
                analysis_type=finding.method,
                dominant_frequencies=tuple(cycle.as_record() for cycle in finding.cycles),
                pattern_confidence=finding.confidence,
                anomaly_score=finding.anomaly,
                created_at=at,
                analysis_data={
                    "timeframe": series.timeframe,
                    "window_bars": self.window,
                    **finding.data,
                },
            )
            for finding in findings
        ]

    def _decide(self, series: Series, said: Direction) -> Decision | None:
        forecast = self._forecasts.get(series.symbol)
        if forecast is None:
            return None
        move = float(forecast.weights @ series.log_close[-self.window :])
        score = move / forecast.deviation
        atr = float(series.atr[-1] / series.close[-1])
        # Near a turn of the cycles, the sign of the next move says little.
        if atr <= 0.0 or abs(score) < _LEAST_SCORE:
            return None
        # Under a normal error of the forecast, p - (1 - p) = 2 * Phi(score) - 1.
        edge = forecast.confidence * math.erf(abs(score) / math.sqrt(2.0))
        return Decision(
            direction=1 if score > 0.0 else -1,
            edge=edge,
            target=min(3.0, max(0.5, abs(move) / atr)),
            stop=2.0,
            take=2.5,
            evidence={
                "forecast_return": round(move, 8),
                "score": round(score, 6),
                "periods_bars": [round(period, 2) for period in forecast.periods],
            },
        )


def _forecast(log_close: Floats, findings: Sequence[Finding], horizon: int) -> _Forecast | None:
    by_fourier, by_wavelet, by_sensing = findings
    periods = _chosen_periods(by_fourier, by_wavelet, by_sensing)
    if not periods:
        return None
    size = len(log_close)
    bars = np.arange(1 - size, 1)
    # A straight line is fitted as well, so that a trend is not taken for a long cycle; only the
    # cycles are extended.
    line = np.stack([np.ones(size), bars / size], axis=1)
    design = np.hstack([line, sinusoids(bars, np.array(periods))])
    ends = sinusoids(np.array([0, horizon]), np.array(periods))
    extension = np.concatenate([[0.0, 0.0], ends[1] - ends[0]])
    weights = design @ np.linalg.solve(design.T @ design, extension)
    return _Forecast(
        weights=weights,
        deviation=float(np.diff(log_close).std()) * math.sqrt(horizon),
        confidence=0.5 * (by_fourier.confidence + by_sensing.confidence),
        periods=periods,
    )


def _chosen_periods(
    by_fourier: Finding, by_wavelet: Finding, by_sensing: Finding
) -> tuple[float, ...]:
    """The periods that explain most, if their method is trusted and wavelets agree."""
    scored = [
        (finding.confidence * cycle.share * (1.0 + _octave_share(by_wavelet, cycle)), cycle.period)
        for finding in (by_fourier, by_sensing)
        for cycle in finding.cycles
    ]
    chosen: list[float] = []
    for score, period in sorted(scored, reverse=True):
        apart = all(max(period / other, other / period) >= _APART for other in chosen)
        if score > 0.0 and apart and len(chosen) < TOP:
            chosen.append(period)
    return tuple(chosen)


def _octave_share(by_wavelet: Finding, cycle: Cycle) -> float:
    return sum(
        octave.share
        for octave in by_wavelet.cycles
        if abs(math.log2(octave.period / cycle.period)) <= 0.5
    )
