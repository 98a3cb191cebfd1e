"""Tunes a strategy's parameters by genetic search, and tries the search on bars it has not seen."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from itertools import pairwise
from typing import Any

from runner.client.records import Generation
from runner.demo.history import History
from runner.demo.modules.genetic import GeneticModule, Strategy, quality
from runner.demo.trainers.knowledge import history_until, numbers, read_bars
from runner.errors import UsageError
from runner.retraining.trainers import Assignment, Candidate, Progress

_FOLDS = 4
# Of the bars that a search sees: those after it on which its strategy is tried.
_TRIED = 4


def train(assignment: Assignment, progress: Progress) -> Candidate:
    """Search on the last bars; options are ``window``, ``memory``, ``population`` and the like.

    Before that, walk-forward: the same search on the bars before each of up to four moments, and
    its strategy's quality on the bars after it, beside that of the last version. The candidate's
    configuration holds these as ``walk_forward``, the oldest first; quality is NULL for too few
    trades.
    """
    given = numbers(
        assignment, "window", "memory", "population", "generations", "horizon", "retrain_bars"
    )

    def searched(history: History, at: datetime) -> tuple[GeneticModule, list[Generation]]:
        module = GeneticModule(assignment.seed, assignment.model_name, **given)
        return module, [
            record for record in module.retrain(history, at) if isinstance(record, Generation)
        ]

    bars = read_bars(assignment.training_set)
    whole = history_until(bars, assignment.as_of)
    progress(0.1, "searching")
    module, records = searched(whole, assignment.as_of)
    if not records:
        raise UsageError(f"no symbol has {module.window} bars by {assignment.as_of:%Y-%m-%d %H:%M}")

    last = None
    if assignment.last.artifact is not None:
        former = GeneticModule(assignment.seed, **given)
        former.restore(module.model, assignment.last.artifact)
        last = former.strategy
    tried = max(module.memory // _TRIED, 4 * module.horizon)
    closes = sorted({bar.closed_at for bar in bars if bar.closed_at <= assignment.as_of})
    cuts = [
        closes[-fold * tried - 1]
        for fold in range(_FOLDS, 0, -1)
        if len(closes) > fold * tried + module.window
    ]
    histories = [*(history_until(bars, cut) for cut in cuts), whole]
    walk_forward = []
    for number, (cut, (before, after)) in enumerate(zip(cuts, pairwise(histories), strict=True)):
        progress((number + 1) / (len(cuts) + 1), "walking forward")
        earlier, generations = searched(before, cut)
        if not generations:
            continue

        def after_cut(strategy: Strategy | None, markets: History = after) -> float | None:
            if strategy is None:
                return None
            return quality(strategy, list(markets.values()), tried, module.horizon)

        walk_forward.append(
            {
                "until": cut.isoformat(),
                "in_sample": generations[-1].best_fitness,
                "out_of_sample": after_cut(earlier.strategy),
                "last_version": after_cut(last),
            }
        )
    config: dict[str, Any] = {
        **module.model.config,
        "strategy": asdict(module.strategy) if module.strategy else {},
        "walk_forward": walk_forward,
    }
    return Candidate(config, module.artifact(), records)
