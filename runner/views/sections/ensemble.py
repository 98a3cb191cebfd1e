"""Sections about now: the ensemble's decisions, its model weights, and what patterns say."""

from __future__ import annotations

from datetime import UTC, datetime

from runner.views import charts, tables
from runner.views.asked import Asked
from runner.views.dashboard.marts import Row
from runner.views.dashboard.wording import (
    ARROWS,
    day,
    duration,
    label,
    leaning,
    moment,
    number,
    share,
)
from runner.views.sections.signals import RELATIONS
from runner.views.surface import Figure, Section, Surface
from runner.words import plural

LEAST_WEIGHT = 0.01
"""Experts below it are told apart: they move a decision by half a percent at most."""


def decisions(to: Surface, asked: Asked) -> list[Row]:
    """The latest decision of each symbol, in words beside its numbers."""
    rows = to.ask("decisions_now", asked)
    for row in rows:
        told = leaning(row["decision"], row["probability_up"])
        row["leaning"] = f"{ARROWS[row['decision']]} {told}"
        row["active"] = f"{row['contributors']} of {row['experts']}"
        row["agree"] = experts(row["agreeing"])
        row["dissent"] = experts(row["dissenting"])
    return rows


def experts(found: list[tuple[str, float | None]] | None) -> str:
    """Experts with their weights; those below one percent are only counted."""
    if not found:
        return "none"
    heavy = [(name, weight) for name, weight in found if (weight or 0) >= LEAST_WEIGHT]
    light = len(found) - len(heavy)
    told = [f"{name} ({share(weight)})" for name, weight in heavy]
    return ", ".join([*told, *([f"{light} below 1% weight"] if light else [])])


def _decisions(to: Surface, asked: Asked) -> None:
    rows = decisions(to, asked)
    if not rows:
        to.empty(
            f"No decisions in this choice ({asked})."
            if asked.symbols
            else "No decisions yet. The ensemble decides at each bar's close, from the first "
            "signal or pattern on; run signal-marts build once there are some."
        )
        return
    newest = max(row["decided_at"] for row in rows)
    to.say(f"The newest is of {moment(newest)}, {duration(datetime.now(UTC) - newest)} ago.")
    to.table(tables.DECISIONS, rows)


def _weights(to: Surface, asked: Asked) -> None:
    found = to.ask("expert_weights", asked)
    if not found:
        to.empty("No expert has been heard yet.")
        return
    effective = found[0]["effective_experts"]
    to.figures(
        [
            Figure(
                "Effective experts",
                number(effective),
                f"of {len(found)} that decide",
                about=(
                    "How many experts of equal weight these weights are worth: near 1, one expert "
                    "decides alone. 1 / sum of squared weights."
                ),
            )
        ]
    )
    to.say(f"Weights of {day(found[0]['weight_date'])}, from outcomes before that day.")
    heavy = [row for row in found if row["weight"] >= LEAST_WEIGHT]
    light = [row["expert_name"] for row in found if row["weight"] < LEAST_WEIGHT]
    told = ", ".join(f"{row['expert_name']} {share(row['weight'])}" for row in heavy)
    if heavy:
        to.charts([(charts.weights(heavy), f"Model weights: {told}")], found, "expert_weights")
    if light:
        rest = sum(row["weight"] for row in found if row["weight"] < LEAST_WEIGHT)
        to.say(f"Below 1% each, {share(rest, 2)} together: {', '.join(light)}.")


def _relations(to: Surface, asked: Asked) -> None:
    found = to.ask("relations", asked)
    if not found:
        to.empty(f"No signals in this choice ({asked})." if asked.chosen else "No signals yet.")
        return
    newest = max(row["newest_at"] for row in found)
    every = sum(row["signals"] for row in found)
    to.say(f"{plural(every, 'signal')} in the 24 hours up to {moment(newest)}.")
    found.sort(key=lambda row: RELATIONS.index(row["relation"]))
    told = ", ".join(f"{label(row['relation'])} {row['signals']}" for row in found)
    to.charts([(charts.relations(found), f"Signals by relation to their pattern: {told}")], [], "")


SECTIONS = (
    Section(
        "Ensemble signal",
        ("ensemble.ensemble_decisions", "ensemble.expert_weights"),
        ("decisions_now",),
        _decisions,
    ),
    Section(
        "Signal–pattern confluence",
        ("ensemble.signal_confluence",),
        ("relations",),
        _relations,
        is_half=True,
    ),
    Section(
        "Model weights",
        ("ensemble.expert_weights",),
        ("expert_weights",),
        _weights,
        is_half=True,
    ),
)
