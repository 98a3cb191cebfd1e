"""What a trainer wrote, checked as strangely as anybody could have written it."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from runner.client import validation
from runner.client.operation import MAX_ROWS
from runner.client.records import Model
from runner.client.validation import EPISODES, GENERATIONS, SPECTRA, Training
from runner.client.values import InvalidRecordError
from runner.retraining.sandbox import TrainerError
from runner.retraining.trainers import TrainingRecord

MAX_BYTES = 64 << 20
"""Greatest size of an artifact, and of ``candidate.json``."""

OURS = "retraining"
"""The part of a version's configuration that says how it was trained: no trainer writes it."""

_KINDS: Mapping[str, Training[Any]] = {
    "reinforcement_learning": EPISODES,
    "genetic_optimization": GENERATIONS,
    "sparse_spectrum": SPECTRA,
}
# No model has it: the rows get their model's id when there is one.
_NO_ID = 1


@dataclass(frozen=True, slots=True)
class Checked:
    """A candidate that can be stored; ``records`` is a JSON array of rows."""

    config: Mapping[str, Any]
    artifact: bytes
    artifact_sha256: str
    records: str


def read(folder: Path, model_name: str, model_type: str) -> Checked:
    """The candidate in a folder. Raises TrainerError for one that cannot be stored."""
    artifact = _bytes(folder / "artifact")
    text = _bytes(folder / "candidate.json")
    try:
        given = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise TrainerError(f"candidate.json is no JSON: {error}") from None
    if not isinstance(given, dict) or given.keys() - {"config", "records"}:
        raise TrainerError("candidate.json is no object of config and records alone")
    config, records = given.get("config"), given.get("records", [])
    if not isinstance(config, dict) or OURS in config:
        raise TrainerError(f"config of candidate.json is no object, or says {OURS}, which is ours")
    try:
        validation.model_row(Model(model_type, model_name, "1", config))
        rows = _rows(model_type, records)
    except InvalidRecordError as error:
        raise TrainerError(f"candidate.json: {error}") from None
    return Checked(config, artifact, hashlib.sha256(artifact).hexdigest(), f"[{','.join(rows)}]")


def _rows(model_type: str, records: object) -> list[str]:
    if not isinstance(records, list):
        raise TrainerError("records of candidate.json are no array")
    if len(records) > MAX_ROWS:
        raise TrainerError(f"{len(records):,} records are too many: at most {MAX_ROWS:,} are kept")
    if not records:
        return []
    kind = _KINDS.get(model_type)
    if kind is None:
        raise TrainerError(
            f"records of a model of the kind {model_type} have no table: leave them out"
        )
    made = [_record(kind.type, number, record) for number, record in enumerate(records)]
    if kind.number is not None:
        numbers = [getattr(record, kind.number) for record in made]
        if numbers != list(range(1, len(made) + 1)):
            raise TrainerError(f"{kind.number} does not count from 1 on, record by record")
    rows = (kind.row(_NO_ID, record, number) for number, record in enumerate(made))
    return [validation.row_as_json(kind.columns[1:], row[1:]) for row in rows]


def _record(kind: type[TrainingRecord], number: int, given: object) -> TrainingRecord:
    if not isinstance(given, dict):
        raise TrainerError(f"record {number} is no object")
    names = [field.name for field in fields(kind)]
    if unknown := given.keys() - set(names):
        raise TrainerError(f"record {number}: {sorted(unknown)[0]!r} is none of {', '.join(names)}")
    given = dict(given)
    with suppress(KeyError, TypeError, ValueError):  # else it is refused as it is
        given["created_at"] = datetime.fromisoformat(given["created_at"])
    if isinstance(given.get("portfolio_value"), str):
        with suppress(InvalidOperation):
            given["portfolio_value"] = Decimal(given["portfolio_value"])
    try:
        return kind(**given)
    except TypeError as error:
        raise TrainerError(f"record {number}: {str(error).partition('__init__() ')[2]}") from None


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A plain file of a trainer; not what a link leads to, and nothing that never ends."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise TrainerError(f"{path.name} is no plain file")
        yield file


def _bytes(path: Path) -> bytes:
    try:
        with opened(path) as file:
            length = os.fstat(file.fileno()).st_size
            if length > MAX_BYTES:
                size = length / (1 << 20)
                raise TrainerError(f"{path.name} has {size:,.1f} MB: at most 64 are kept")
            return file.read(MAX_BYTES)
    except OSError as error:
        raise TrainerError(f"it wrote no {path.name}: {error.strerror}") from None


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")
