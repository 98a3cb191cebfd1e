"""The reasons to retrain, simulated: how often they err on stable versions, and how soon they find.

So are the alerts that tell of them. SIGNAL_MARTS_TEST_VERSIONS asks for more versions than usual;
with 200 and -s, it prints the figures of docs/retraining.md and docs/alerts.md.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from statistics import median

import health as reference
import numpy as np
import pytest
import yaml
from health import Cluster, Day

from runner.alerts import rules
from runner.alerts.observed import model_level
from runner.alerts.states import Seen, State, step
from runner.settings import PROJECT

VARS = yaml.safe_load((PROJECT / "dbt_project.yml").read_text("utf-8"))["vars"]
VERSIONS = int(os.environ.get("SIGNAL_MARTS_TEST_VERSIONS", "12"))
DAYS = 365
CHANGE = 180
FIRST = date(2025, 1, 1)
World = tuple[
    reference.Facts, list[date], dict[date, Cluster], dict[date, tuple[float, float, int]]
]


def world(
    generator: np.random.Generator, *, lost: float = 0.0, surer: float = 0.0, buying: float = 0.0
) -> World:
    """A year of a version that is right in 55% of signals, from the half year on less often.

    From then on it may also be surer, or buy more; both in units of log-odds.
    Two to twenty signals a day. What a day is like moves all of its confidences and sides; three
    signals at a time share an outcome, which is known a day later, and four closes each.
    """
    rate = generator.uniform(2, 20)
    level, spread = generator.uniform(-0.5, 1.0), generator.uniform(0.2, 0.8)
    facts: reference.Facts = {}
    clusters: dict[date, Cluster] = {}
    days = [FIRST + timedelta(days=n) for n in range(DAYS)]
    ics: list[float] = []
    rank_ics: dict[date, tuple[float, float, int]] = {}
    for number, day in enumerate(days):
        now = facts.setdefault(day, Day())
        then = facts.setdefault(day + timedelta(days=1), Day())
        is_changed = number >= CHANGE
        hit_rate = 0.55 - lost * is_changed
        mood, side = generator.normal(0, spread), generator.normal(0, 0.7)
        signals = int(generator.poisson(rate))
        hits = np.repeat(generator.random(signals // 3 + 1) < hit_rate, 3)
        confidences = 1 / (
            1 + np.exp(-(level + surer * is_changed + mood + generator.normal(0, 0.7, signals)))
        )
        buys = generator.random(signals) < 1 / (1 + np.exp(-side - buying * is_changed))
        holds = generator.random(signals) < 0.1
        losses, most = [], 0.0
        for confidence, hit, buy, hold in zip(confidences, hits, buys, holds, strict=False):
            now.signals.append((confidence, "HOLD" if hold else "BUY" if buy else "SELL"))
            if hold:
                continue
            then.outcomes.append((confidence, bool(hit)))
            s = confidence / 2
            losses += [s * s - s if hit else s * s + s] * 4
            most += 4 * (s * s + s)
        then.losses += losses
        if number % 2 == 0 and losses:
            clusters[day + timedelta(days=1)] = Cluster(day, len(losses), sum(losses), most)
        ics.append(generator.normal(2 * (hit_rate - 0.5) * 0.5, 0.5))
        last = np.array(ics[-30:])
        if len(last) > 1:
            rank_ics[day] = (last.mean(), last.std(ddof=1) / len(last) ** 0.5, len(last))
    return facts, days, clusters, rank_ics


class Told:
    """What the rules on models that deploy/alerts.yml brings say, a day after another."""

    def __init__(self) -> None:
        found = rules.read(PROJECT / "deploy" / "alerts.yml")
        assert found is not None
        self.rules = [rule for rule in found.rules if rule.kind.startswith("model_")]
        assert {rule.kind for rule in self.rules} == {"model_worse", "model_retrain"}
        self.states: dict[tuple[str, str], State] = {}
        self.fired: Counter[str] = Counter()

    def on_day(
        self,
        day: date,
        reason: str,
        is_open: bool,
        breach_days: int,
        figure: float | None,
        threshold: float | None,
    ) -> None:
        seen = Seen(model_level(is_open, breach_days, figure, threshold), "")
        for rule in self.rules:
            for hour in (1, 2, 23):  # more often than a change needs to be told
                now = datetime.combine(day, time(hour), UTC)
                key = (rule.kind, reason)
                self.states[key], event = step(rule, self.states.get(key), seen, now)
                self.fired[rule.kind] += event == "fired"


def noticed(change: dict[str, float]) -> tuple[list[float], Counter[str]]:
    """Days from the change to the first alarm after it, by version, and the reasons of alarms."""
    generator = np.random.default_rng(31)
    delays: list[float] = []
    reasons: Counter[str] = Counter()
    for _ in range(VERSIONS):
        alarms, _ = reference.triggers(*world(generator, **change), VARS)
        after = {alarm for alarm in alarms if (alarm.at - FIRST).days >= CHANGE}
        delays.append(min(((each.at - FIRST).days - CHANGE for each in after), default=math.inf))
        reasons.update({alarm.reason for alarm in after})
    return delays, reasons


def test_stable_versions_raise_few_alarms() -> None:
    generator = np.random.default_rng(30)
    found: Counter[str] = Counter()
    alerts: Counter[str] = Counter()
    for _ in range(VERSIONS):
        told = Told()
        alarms, _ = reference.triggers(*world(generator), VARS, on_day=told.on_day)
        found.update(alarm.reason for alarm in alarms)
        alerts.update(told.fired)
        assert told.fired["model_retrain"] == len(alarms)
    # One that always fires, as far as the cooldown lets it, makes twelve a year of each.
    print({reason: found[reason] / VERSIONS for reason in reference.REASONS})  # noqa: T201
    assert sum(found.values()) <= 0.3 * VERSIONS
    print({kind: number / VERSIONS for kind, number in alerts.items()})  # noqa: T201
    # At most one false alert a model-year, of both rules and all reasons together.
    assert 0 < sum(alerts.values()) <= VERSIONS


@pytest.mark.parametrize(
    ("change", "reason", "least"),
    [
        # At the least, some are noticed; the smallest change is within half a year's noise.
        ({"lost": 0.05}, "", 0),
        ({"lost": 0.1}, "calibration", 0.1),
        ({"lost": 0.2}, "calibration", 0.5),
        ({"surer": 1.5}, "confidence_shift", 0.5),
        ({"buying": 1.5}, "signal_mix_shift", 0.25),
    ],
    ids=str,
)
def test_versions_that_changed_are_noticed(
    change: dict[str, float], reason: str, least: float
) -> None:
    delays, reasons = noticed(change)
    known = [each for each in delays if each < math.inf]
    found = (len(known) / VERSIONS, median(known or [math.inf]), median(delays), reasons)
    print(change, *found)  # noqa: T201
    assert reasons[reason] >= least * VERSIONS
