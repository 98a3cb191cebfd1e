"""Searches the ensemble's settings, and tries the search where it has not looked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from runner.errors import UsageError
from runner.tuning.ensemble import Ensemble, Floats, Past, Settings
from runner.tuning.evidence import chance_of_none_better, interval_of_mean
from runner.tuning.evolution import Breeder, Genes, Population, best

_GENES = 4
_SIZE = 24
_GENERATIONS = 8
_FOLDS = 4
# Of the days: those that the first search sees.
_FIRST = 0.4
_LEAST_DAYS = 60
_LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Fold:
    """A search that saw the days before ``first_day``, tried until before ``end_day``.

    Means are of a day's return, in its standard deviation on the days before.
    """

    first_day: int
    end_day: int
    found: Settings
    mean: float
    present_mean: float


@dataclass(frozen=True, slots=True)
class Tuning:
    """What a search found. ``verdict`` is ``change`` if both p-values are 0.05 or less.

    What two settings made is compared at equal risk: each in the standard deviation of its daily
    returns. ``out_of_sample_p`` is of the days on which the searches of the folds were tried,
    against that they made no more than the present settings; ``mean_difference``, a day, is theirs,
    with its 95% interval. ``reality_check_p`` is of all days, against that none of all ``tried``
    settings made more.
    """

    present: Settings
    found: Settings
    verdict: Literal["change", "keep"]
    days: int
    tried: int
    folds: tuple[Fold, ...]
    mean_difference: float
    mean_difference_low: float
    mean_difference_high: float
    out_of_sample_p: float
    reality_check_p: float
    generations: tuple[dict[str, Any], ...]


def decode(genes: Genes) -> Settings:
    """The settings of four genes in 0..1; few enough digits that a person would set them."""
    horizon, lifetime, deadband, share = genes
    return Settings(
        horizon_bars=round(2 * 48**horizon),
        forecast_bars=round(2 * 48**lifetime),
        deadband=round(0.2 * deadband**2, 3),
        share=float(f"{0.0005 * 600**share:.1g}"),
    )


def tune(
    past: Past,
    present: Settings,
    *,
    cost: float,
    seed: int,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> Tuning:
    """Search for settings whose decisions, followed, would have made most for their risk.

    A setting's fitness is the mean of its daily returns over their standard deviation. The same
    past and seed give the same tuning. Raises UsageError with fewer than 60 days.
    """
    days = np.flatnonzero(np.bincount(past.day, minlength=past.days))
    if len(days) < _LEAST_DAYS:
        raise UsageError(f"there are closes of {len(days)} days; {_LEAST_DAYS} are needed")
    ensemble, breeder = Ensemble(past), Breeder(seed)
    returns: dict[Settings, Floats] = {}
    searches, done = _FOLDS + 1, 0

    def made(settings: Settings) -> Floats:
        if settings not in returns:
            returns[settings] = ensemble.daily_returns(settings, cost)[days]
        return returns[settings]

    def search(end: int) -> list[Population]:
        nonlocal done

        def fitness(genes: Genes) -> float:
            nonlocal done
            done += 1
            advance(min(done, searches * _SIZE * _GENERATIONS), searches * _SIZE * _GENERATIONS)
            seen = made(decode(genes))[:end]
            return float(_at_equal_risk(seen, seen).mean())

        return breeder.breed(fitness, _GENES, size=_SIZE, generations=_GENERATIONS)

    cuts = np.linspace(_FIRST * len(days), len(days), _FOLDS + 1).astype(int).tolist()
    folds, differences = [], []
    for first, end in pairwise(cuts):
        found = decode(best(search(first)[-1]))
        tried, unchanged = (
            _at_equal_risk(made(each)[first:end], made(each)[:first]) for each in (found, present)
        )
        differences.append(tried - unchanged)
        folds.append(
            Fold(
                int(days[first]),
                int(days[end - 1]) + 1,
                found,
                float(tried.mean()),
                float(unchanged.mean()),
            )
        )
    generations = search(len(days))
    found = decode(best(generations[-1]))
    difference = np.concatenate(differences)
    unchanged = _at_equal_risk(made(present), made(present))
    every = np.stack([_at_equal_risk(each, each) - unchanged for each in returns.values()], axis=1)
    out_of_sample_p = chance_of_none_better(difference[:, np.newaxis], seed)
    reality_check_p = chance_of_none_better(every, seed)
    low, high = interval_of_mean(difference, seed)
    is_better = max(out_of_sample_p, reality_check_p) <= _LEVEL and found != present
    return Tuning(
        present=present,
        found=found,
        verdict="change" if is_better else "keep",
        days=len(days),
        tried=len(returns),
        folds=tuple(folds),
        mean_difference=float(difference.mean()),
        mean_difference_low=low,
        mean_difference_high=high,
        out_of_sample_p=out_of_sample_p,
        reality_check_p=reality_check_p,
        generations=tuple(_described(generations)),
    )


def _at_equal_risk(returns: Floats, seen: Floats) -> Floats:
    """Returns in the standard deviation of those that were seen; 0 if nothing was risked there."""
    deviation = float(seen.std())
    return returns / deviation if deviation > 0.0 else np.zeros_like(returns)


def _described(generations: Iterable[Population]) -> Iterable[dict[str, Any]]:
    for population in generations:
        fitness = [individual.fitness.values[0] for individual in population]
        yield {
            "best_fitness": max(fitness),
            "average_fitness": float(np.mean(fitness)),
            "population_diversity": float(np.std(population, axis=0).mean()),
            "best_individual": asdict(decode(best(population))),
        }
