"""The metrics of ``performance.source_performance`` by the libraries that metrics are known by.

Every function returns None where the mart says NULL; what the libraries return there differs from
one to the next (0, infinity, NaN), and from release to release.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import empyrical
import numpy as np
import pandas as pd
import quantstats.stats as qs
from scipy import stats

PERIODS = 365

Numbers = Sequence[float]


def quietly(function: Callable[..., Any], *arguments: Any, **options: Any) -> float:
    """A library's number, without its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(function(*arguments, **options))


def _series(values: Numbers) -> pd.Series[float]:
    return pd.Series(values, index=pd.date_range("2020-01-01", periods=len(values)), dtype=float)


def is_constant(returns: Numbers) -> bool:
    """Whether returns differ by rounding alone."""
    return max(returns) - min(returns) <= 1e-9 * max(abs(r) for r in returns)


def sharpe_ratio(returns: Numbers) -> float | None:
    if len(returns) < 2 or is_constant(returns):
        return None
    return quietly(empyrical.sharpe_ratio, np.array(returns), annualization=PERIODS)


def sortino_ratio(returns: Numbers) -> float | None:
    if not returns or min(returns) >= 0:
        return None
    return quietly(empyrical.sortino_ratio, np.array(returns), annualization=PERIODS)


def max_drawdown(returns: Numbers) -> float | None:
    return quietly(empyrical.max_drawdown, np.array(returns)) if returns else None


def calmar_ratio(returns: Numbers) -> float | None:
    if not returns or min(returns) >= 0:
        return None
    growth = sum(math.log1p(r) for r in returns) * PERIODS / len(returns)
    if growth > 300:
        return None
    return quietly(empyrical.calmar_ratio, np.array(returns), annualization=PERIODS)


def total_return(returns: Numbers) -> float | None:
    return quietly(empyrical.cum_returns_final, np.array(returns)) if returns else None


def probabilistic_sharpe(returns: Numbers) -> float | None:
    if len(returns) < 4 or is_constant(returns):
        return None
    value = quietly(qs.probabilistic_sharpe_ratio, _series(returns))
    return None if math.isnan(value) else value


def sharpe_a_day(returns: Numbers) -> float | None:
    if len(returns) < 2 or is_constant(returns):
        return None
    return float(np.mean(returns) / np.std(returns, ddof=1))


def luck(sharpes: Numbers, trials: int) -> float | None:
    """The Sharpe ratio that the best of ``trials`` shows by luck; Bailey, López de Prado 2014."""
    if trials == 1:
        return 0.0
    if len(sharpes) < 2:
        return None
    best = stats.norm.ppf(1 - 1 / trials)
    following = stats.norm.ppf(1 - 1 / (trials * math.e))
    expected = (1 - np.euler_gamma) * best + np.euler_gamma * following
    return float(np.std(sharpes, ddof=1) * expected)


def deflated_sharpe(returns: Numbers, benchmark: float | None) -> float | None:
    """Bailey, López de Prado 2014, with pandas' bias-corrected moments."""
    ratio = sharpe_a_day(returns)
    if ratio is None or benchmark is None or len(returns) < 4:
        return None
    skewness = stats.skew(returns, bias=False)
    kurtosis = stats.kurtosis(returns, bias=False) + 3
    variance = (1 - skewness * ratio + (kurtosis - 1) / 4 * ratio**2) / (len(returns) - 1)
    if variance <= 0:
        return None
    return float(stats.norm.cdf((ratio - benchmark) / math.sqrt(variance)))


def hit_rate(profits: Numbers) -> float | None:
    if not any(profits):
        return None
    return quietly(qs.win_rate, _series(profits), prepare_returns=False)


def profit_factor(profits: Numbers) -> float | None:
    if not profits or min(profits) >= 0:
        return None
    return quietly(qs.profit_factor, _series(profits), prepare_returns=False)


def expectancy(profits: Numbers) -> float | None:
    return float(np.mean(profits)) if profits else None


def average_win(profits: Numbers) -> float | None:
    if not profits or max(profits) <= 0:
        return None
    return quietly(qs.avg_win, _series(profits), prepare_returns=False)


def average_loss(profits: Numbers) -> float | None:
    if not profits or min(profits) >= 0:
        return None
    return quietly(qs.avg_loss, _series(profits), prepare_returns=False)


def payoff_ratio(profits: Numbers) -> float | None:
    if not profits or max(profits) <= 0 or min(profits) >= 0:
        return None
    return quietly(qs.payoff_ratio, _series(profits), prepare_returns=False)


def max_drawdown_by_trade(profits: Numbers) -> float | None:
    """The largest fall of the cumulated profits; libraries know drawdowns of returns alone."""
    if not profits:
        return None
    equity = np.cumsum([0.0, *profits])
    return float(np.max(np.maximum.accumulate(equity) - equity))


def longest_win_streak(profits: Numbers) -> int:
    if not profits or max(profits) <= 0:
        return 0
    return int(quietly(qs.consecutive_wins, _series(profits), prepare_returns=False))


def longest_loss_streak(profits: Numbers) -> int:
    if not profits or min(profits) >= 0:
        return 0
    return int(quietly(qs.consecutive_losses, _series(profits), prepare_returns=False))
