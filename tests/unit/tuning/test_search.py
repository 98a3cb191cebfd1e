"""Settings are changed where another one is better, and left where none is."""

from __future__ import annotations

import os

import numpy as np
import pytest

from runner.errors import UsageError
from runner.tuning.ensemble import Ensemble, Past, Settings
from runner.tuning.evidence import chance_of_none_better, interval_of_mean, resampled_days
from runner.tuning.search import decode, tune

PRESENT = Settings(horizon_bars=12, forecast_bars=24, deadband=0.01, share=0.01)
DAY = 24
NULLS = int(os.environ.get("SIGNAL_MARTS_TEST_NULLS", "5"))


def past(seed: int, *, days: int = 100, edge_bars: int = 0, said_every: int = 12) -> Past:
    """Two symbols, hourly, and two experts; expert 0 foresees the drift of the next ``edge_bars``.

    Without these, nobody knows anything.
    """
    random = np.random.default_rng(seed)
    size = days * DAY
    symbols, prices, experts = [], [], []
    for symbol in range(2):
        moves = random.normal(0.0, 0.01, size)
        for first in range(0, size - 1, said_every):
            direction = 1 if random.random() < 0.5 else -1
            if edge_bars:
                moves[first + 1 : first + 1 + edge_bars] += 0.004 * direction
            experts.append((0, symbol, 0.5 + 0.25 * direction, symbol * size + first))
            if random.random() < 0.5:
                noise = 0.5 + 0.25 * float(random.choice([-1, 1]))
                experts.append((1, symbol, noise, symbol * size + first))
        symbols += [symbol] * size
        prices.append(np.exp(np.cumsum(moves)))
    experts.sort()
    columns = np.array(experts).T
    whole = np.arange(2 * size)
    everybody = np.ones((days, 2), dtype=np.bool_)
    return Past(
        symbol=np.array(symbols),
        day=whole % size // DAY,
        price=np.concatenate(prices),
        place=whole,
        series_price=np.concatenate(prices),
        series_day=whole % size // DAY,
        series_end=(whole // size + 1) * size,
        expert=columns[0].astype(np.int64),
        probability=columns[2],
        first_close=columns[3].astype(np.int64),
        expires_close=((columns[1] + 1) * size).astype(np.int64),
        joined=everybody,
        decides=everybody,
    )


def test_better_settings_are_found_and_said_to_be_better() -> None:
    """Forecasts of six bars that are followed for a day lose what they made."""
    found = tune(past(1, edge_bars=6, said_every=24), PRESENT, cost=0.0, seed=2)
    assert found.verdict == "change"
    assert found.found.forecast_bars <= 9
    assert found.mean_difference_low > 0
    assert found.out_of_sample_p <= 0.05
    assert len(found.folds) == 4
    assert [fold.first_day for fold in found.folds] == [40, 55, 70, 85]
    fitness = [generation["best_fitness"] for generation in found.generations]
    assert fitness == sorted(fitness)
    assert tune(past(1, edge_bars=6, said_every=24), PRESENT, cost=0.0, seed=2) == found


def test_noise_changes_nothing() -> None:
    """However many settings are tried: at 5% at most. 400 of these changed nothing either."""
    changed = sum(
        tune(past(seed, days=60), PRESENT, cost=0.0005, seed=seed).verdict == "change"
        for seed in range(NULLS)
    )
    assert changed <= 1 + 0.05 * NULLS


def test_no_search_sees_the_days_on_which_it_is_tried() -> None:
    whole = past(3)
    changed = past(3)
    later = changed.day >= 55
    changed.price[later] = changed.price[later][::-1]
    changed.series_price[later] = changed.price[later]
    one, other = (tune(each, PRESENT, cost=0.0, seed=1).folds for each in (whole, changed))
    assert one[0] == other[0]
    assert one[1].found == other[1].found
    assert one[1].mean != other[1].mean


def test_an_earlier_decision_does_not_change_with_later_prices() -> None:
    whole, changed = past(4), past(4)
    changed.price[changed.day >= 50] *= 1.5
    changed.series_price[changed.series_day >= 50] *= 1.5
    before = whole.day < 50
    for settings in (PRESENT, decode([0.9, 0.8, 0.1, 0.9])):
        one, other = (Ensemble(each).probabilities(settings) for each in (whole, changed))
        np.testing.assert_array_equal(one[before], other[before])


def test_too_few_days() -> None:
    with pytest.raises(UsageError, match="closes of 59 days; 60 are needed"):
        tune(past(1, days=59), PRESENT, cost=0.0, seed=1)


def test_days_are_drawn_evenly_and_in_blocks() -> None:
    drawn = resampled_days(100, 1)
    counts = np.bincount(drawn.ravel(), minlength=100)
    assert abs(counts / counts.mean() - 1).max() < 0.1
    goes_on = (drawn[:, 1:] - drawn[:, :-1]) % 100 == 1
    # A block ends with probability 100^(-1/3), and may then go on by chance.
    assert abs(goes_on.mean() - (1 - 100 ** (-1 / 3) * 0.99)) < 0.01


def test_the_chance_of_a_lucky_one_grows_with_those_that_were_tried() -> None:
    """Under no difference, p-values of 0.05 or less come in one of twenty, however many ways."""
    for ways in (1, 30):
        random = np.random.default_rng(ways)
        chances = [
            chance_of_none_better(random.normal(size=(120, ways)), seed) for seed in range(150)
        ]
        assert 0.01 <= np.mean(np.array(chances) <= 0.05) <= 0.12
    random = np.random.default_rng(5)
    better = random.normal(size=(120, 30))
    better[:, 7] += 0.5
    assert chance_of_none_better(better, 1) <= 0.01
    assert chance_of_none_better(np.zeros((120, 3)), 1) == 1.0


def test_the_interval_covers_the_mean() -> None:
    random = np.random.default_rng(6)
    covered = 0
    for seed in range(150):
        low, high = interval_of_mean(random.normal(1.0, 2.0, 100), seed)
        covered += low <= 1.0 <= high
    assert 0.88 <= covered / 150 <= 0.99
