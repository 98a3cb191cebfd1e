"""Cycles in a symbol's log prices, found in three ways."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pywt
from scipy import fft, signal
from sklearn.linear_model import orthogonal_mp

from runner.client.limits import AnalysisType
from runner.demo.history import Floats

TOP = 3  # cycles that a result lists, and that a forecast extends
WAVELET = "db4"
ATOMS = 6  # that a sparse approximation may use
STILL = 1e-9  # deviations of log prices below it are rounding
_SHORTEST = 6.0  # bars; faster cycles drown in the noise of single bars
_LEAST_CYCLES = 4  # a cycle that the window holds fewer times may as well be a trend
_PADDING = 4  # windows long that the Fourier transform is, for a finer grid of frequencies
_MOST_LEVELS = 5
_PERIODS_IN_DICTIONARY = 40
_RECENT = 24  # values that an anomaly score compares with the rest


@dataclass(frozen=True, slots=True)
class Cycle:
    """A sinusoid in the log price.

    ``share`` is the part of the variance of the one-bar moves that it explains.
    """

    period: float
    amplitude: float
    share: float

    def as_record(self) -> dict[str, float]:
        """The cycle as ``dominant_frequencies`` hold it."""
        return {
            "period_bars": round(self.period, 4),
            "frequency_per_bar": round(1.0 / self.period, 8),
            "amplitude": round(self.amplitude, 10),
            "share": round(self.share, 8),
        }


@dataclass(frozen=True, slots=True)
class Finding:
    """The cycles that one method found, the strongest first."""

    method: AnalysisType
    cycles: tuple[Cycle, ...]
    confidence: float
    anomaly: float
    data: Mapping[str, float | int | str]


def fourier(log_close: Floats) -> Finding:
    """The peaks of the periodogram of the one-bar moves.

    The moves of a random walk have a flat spectrum, so Fisher's test (1929) of the highest peak
    applies; the confidence is one minus its p-value, in the usual approximation for many
    frequencies, ``1 - (1 - exp(-m g))^m``.
    """
    moves = np.diff(log_close)
    moves = moves - moves.mean()
    size = len(moves)
    frequency = fft.rfftfreq(size)
    power = np.abs(fft.rfft(moves)) ** 2
    power = power[_in_band(frequency, size)]
    total = float(power.sum())
    # Moves that are all faster or slower than the band leave nothing but rounding in it.
    highest = float(power.max()) / total if total > STILL**2 else 0.0
    confidence = (1.0 - math.exp(-len(power) * highest)) ** len(power)
    cycles = _peaks(moves)
    residual = _without(moves, cycles)
    return Finding(
        "fourier", cycles, confidence, _surprise(residual), {"fisher_g": round(highest, 8)}
    )


def _peaks(moves: Floats) -> tuple[Cycle, ...]:
    size = len(moves)
    taper = signal.windows.hann(size, sym=False)
    frequency = fft.rfftfreq(_PADDING * size)
    swing = 2.0 * np.abs(fft.rfft(moves * taper, _PADDING * size)) / taper.sum()
    band = _in_band(frequency, size)
    first = int(np.argmax(band))
    tops, _ = signal.find_peaks(swing[band])
    if not len(tops):
        tops = np.array([np.argmax(swing[band])])
    strongest = first + tops[np.argsort(-swing[band][tops], kind="stable")][:TOP]
    variance = float(moves.var())
    return tuple(
        _cycle(
            _PADDING * size / (int(top) + _offset(swing[top - 1 : top + 2])),
            float(swing[top]),
            variance,
        )
        for top in strongest
    )


def _offset(swings: Floats) -> float:
    """The distance of the peak of three values from the middle one, in -0.5..0.5.

    The vertex of the parabola through their logarithms (Smith and Serra 1987). A frequency that is
    off by part of a grid step is out of phase at the end of the window, where a forecast begins.
    """
    before, middle, after = np.log(np.maximum(swings, 1e-300)).tolist()
    curvature = before - 2.0 * middle + after
    if not curvature < 0.0:
        return 0.0
    offset: float = 0.5 * (before - after) / curvature
    return min(0.5, max(-0.5, offset))


def wavelet(log_close: Floats) -> Finding:
    """The variance of the one-bar moves by octave, from a discrete wavelet transform.

    The confidence is one minus the wavelet entropy of the octaves (Rosso et al. 2001), as a part
    of the greatest possible: 0 for noise, which has the same variance in all, 1 for one octave.
    """
    moves = np.diff(log_close)
    family = pywt.Wavelet(WAVELET)
    levels = min(_MOST_LEVELS, pywt.dwt_max_level(len(moves), family.dec_len))
    # Coarsest first; the approximation at the front is trend.
    details = pywt.wavedec(moves - moves.mean(), family, level=levels)[1:]
    density = np.array([float(np.mean(detail**2)) for detail in details])
    total = float(density.sum())
    shares = density / total if total > STILL**2 else np.full(levels, 1.0 / levels)
    entropy = -float(np.sum(shares * np.log(np.maximum(shares, 1e-300))))
    confidence = min(1.0, max(0.0, 1.0 - entropy / math.log(levels)))
    variance = float(moves.var())
    centre = float(pywt.central_frequency(family))
    # Coarsest first, as the details are. An octave holds half the variance of the next faster one
    # at the same density, so it is by density that one stands out of noise.
    cycles = [
        _cycle(
            2.0**level / centre,
            math.sqrt(2.0 * energy * 0.5**level),
            variance,
        )
        for level, energy in zip(range(levels, 0, -1), density.tolist(), strict=True)
    ]
    densest = np.argsort(-density, kind="stable")[:TOP]
    return Finding(
        "wavelet",
        tuple(cycles[index] for index in densest),
        confidence,
        _surprise(details[-1]),
        {"wavelet": WAVELET, "levels": levels, "entropy": round(entropy, 8)},
    )


class CompressedSensing:
    """Sparse approximation by sinusoids, from a random half of the bars.

    Orthogonal matching pursuit (Pati, Rezaiifar and Krishnaprasad 1993) over a dictionary of sines
    and cosines; that half of the samples is enough is shown by Candès, Romberg and Tao (2006).
    """

    def __init__(self, window: int, horizon: int, random: np.random.Generator) -> None:
        self._horizon = horizon
        self._periods = np.geomspace(_SHORTEST, window / _LEAST_CYCLES, _PERIODS_IN_DICTIONARY)
        self._atoms = sinusoids(np.arange(window), self._periods)
        self._sampled = np.sort(random.choice(window, window // 2, replace=False))
        self._learned = 3 * window // 4

    def analyse(self, log_close: Floats) -> Finding:
        """The sparse sinusoids; trusted as far as three quarters of the window predict the rest.

        The confidence is the correlation of forecast and actual moves over the horizon in the last
        quarter, where positive.
        """
        foreseen = self._atoms @ self._coefficients(log_close, self._learned)
        start, ahead = self._learned - self._horizon, self._horizon
        expected = foreseen[start + ahead :] - foreseen[start:-ahead]
        actual = log_close[start + ahead :] - log_close[start:-ahead]
        coefficients = self._coefficients(log_close, len(log_close))
        return Finding(
            "compressed_sensing",
            self._cycles(coefficients, float(np.diff(log_close).var())),
            max(0.0, _correlation(expected, actual)),
            _surprise(np.diff(log_close - self._atoms @ coefficients)),
            {"samples": len(self._sampled), "atoms": int(np.count_nonzero(coefficients))},
        )

    def _coefficients(self, log_close: Floats, size: int) -> Floats:
        """Amplitudes of the atoms, of shape (atoms,), from the samples among the first ``size``."""
        detrended = signal.detrend(log_close[:size])
        rows = self._sampled[self._sampled < size]
        if float(detrended[rows].std()) < STILL:
            return np.zeros(self._atoms.shape[1])
        with warnings.catch_warnings():
            # A residual of rounding errors alone ends the pursuit early, as intended.
            warnings.simplefilter("ignore", RuntimeWarning)
            found = orthogonal_mp(self._atoms[rows], detrended[rows], n_nonzero_coefs=ATOMS)
        return np.asarray(found, dtype=np.float64)

    def _cycles(self, coefficients: Floats, variance: float) -> tuple[Cycle, ...]:
        cosines, sines = np.split(coefficients, 2)
        cycles = [
            _cycle(period, 2.0 * math.sin(math.pi / period) * amplitude, variance)
            for period, amplitude in zip(
                self._periods.tolist(), np.hypot(cosines, sines).tolist(), strict=True
            )
            if amplitude > 0.0
        ]
        return tuple(sorted(cycles, key=lambda cycle: -cycle.share)[:TOP])


def sinusoids(bars: Floats | np.ndarray[tuple[int], np.dtype[np.int_]], periods: Floats) -> Floats:
    """Cosines, then sines, of each period: shape (bars, 2 * periods)."""
    turns = 2.0 * np.pi * np.asarray(bars)[:, np.newaxis] / periods
    return np.hstack([np.cos(turns), np.sin(turns)])


def _in_band(frequency: Floats, size: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    inside = (frequency >= _LEAST_CYCLES / size) & (frequency <= 1.0 / _SHORTEST)
    return np.asarray(inside, dtype=np.bool_)


def _cycle(period: float, swing: float, variance: float) -> Cycle:
    """A cycle from the swing (amplitude) of its one-bar moves and the variance of all moves.

    Differencing multiplies a sinusoid's amplitude with ``2 sin(pi / period)``.
    """
    return Cycle(
        period=period,
        amplitude=swing / (2.0 * math.sin(math.pi / period)),
        share=min(1.0, 0.5 * swing * swing / variance),
    )


def _without(moves: Floats, cycles: Sequence[Cycle]) -> Floats:
    """The moves less the best fit of the cycles."""
    design = sinusoids(np.arange(len(moves)), np.array([cycle.period for cycle in cycles]))
    fitted, *_ = np.linalg.lstsq(design, moves, rcond=None)
    return np.asarray(moves - design @ fitted, dtype=np.float64)


def _surprise(values: Floats) -> float:
    """How unusual the energy of the latest values is: its standard score under normal noise.

    The mean of n squared standard normal values has variance 2/n.
    """
    energy = values**2
    usual = float(energy.mean())
    if usual < STILL**2:
        return 0.0
    recent = min(_RECENT, len(values))
    return (float(energy[-recent:].mean()) / usual - 1.0) * math.sqrt(recent / 2.0)


def _correlation(one: Floats, other: Floats) -> float:
    deviations = float(one.std()) * float(other.std())
    if deviations < STILL**2:
        return 0.0
    product = float(np.mean((one - one.mean()) * (other - other.mean())))
    return min(1.0, max(-1.0, product / deviations))
