"""Looks for cycles again, in the newest bars."""

from __future__ import annotations

from runner.demo.modules.spectrum import SpectrumModule
from runner.demo.trainers.knowledge import history_until, numbers, read_bars
from runner.errors import UsageError
from runner.retraining.trainers import Assignment, Candidate, Progress


def train(assignment: Assignment, progress: Progress) -> Candidate:
    """Analyse each symbol's last bars; options are ``window`` and ``horizon``."""
    module = SpectrumModule(
        assignment.seed, assignment.model_name, **numbers(assignment, "window", "horizon")
    )
    history = history_until(read_bars(assignment.training_set), assignment.as_of)
    progress(0.3, "analysing")
    records = module.retrain(history, assignment.as_of)
    if not records:
        raise UsageError(f"no symbol has {module.window} bars by {assignment.as_of:%Y-%m-%d %H:%M}")
    return Candidate(module.model.config, module.artifact(), records)
