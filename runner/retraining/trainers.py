"""What a trainer is given, and what it returns.

A trainer is a function of the entry point group ``signal_marts.trainers``. It runs in a process of
its own, in an empty working directory, within limits of time, memory and disk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from runner.client.records import Episode, Generation, SpectrumResult

TrainingRecord = Episode | Generation | SpectrumResult

Progress = Callable[[float, str], None]
"""Takes the share that is done, 0 to 1, and what is being done."""


@dataclass(frozen=True, slots=True)
class LastVersion:
    """The newest version of the model; ``artifact`` is None if none was stored for it."""

    version: str
    config: Mapping[str, Any]
    artifact: bytes | None


@dataclass(frozen=True, slots=True)
class Assignment:
    """A training: ``training_set`` is a Parquet file of all that was known at ``as_of``.

    The same training set, last version, seed and options give the same candidate.
    """

    model_name: str
    model_type: str
    training_set: Path
    as_of: datetime
    last: LastVersion
    seed: int
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A new version: its configuration, its artifact, and the records of its training.

    ``config`` is JSON. Records are of the model's kind, numbered from 1 on.
    """

    config: Mapping[str, Any]
    artifact: bytes
    records: Sequence[TrainingRecord] = ()


Trainer = Callable[[Assignment, Progress], Candidate]
