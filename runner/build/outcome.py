"""How a build went, as its command says it."""

from __future__ import annotations

from typing import Any

from runner.errors import Failure
from runner.progress import note
from runner.words import plural


def report_build(result: Any) -> None:
    """Say how a build went, warnings too; raise Failure naming each model and test that failed."""
    for node in result.warnings:
        note(f"warning: {node.kind} {node.name}: {node.message}")
    models, tests = (sum(n.kind == kind for n in result.nodes) for kind in ("model", "test"))
    if result.failures:
        lines = [f"  - {n.kind} {n.name}: {n.status}: {n.message}" for n in result.failures]
        raise Failure(
            f"{len(result.failures)} of {models + tests} models and tests failed, and "
            f"{result.skipped} that need them were skipped:\n" + "\n".join(lines)
        )
    passed = tests - len(result.warnings)
    note(f"built {plural(models, 'model')}; {plural(passed, 'test')} passed")
