"""``python -m runner.retraining.child NAME``: a trainer that is an entry point, by files.

Reads ``assignment.json`` of the working directory, and writes what any trainer writes there.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from importlib import metadata
from pathlib import Path
from typing import Any

from runner.retraining.plan import TRAINERS
from runner.retraining.trainers import Assignment, Candidate, LastVersion, Trainer


def main(name: str, folder: Path) -> None:
    """Run a trainer in ``folder``."""
    (found,) = metadata.entry_points(group=TRAINERS, name=name)
    trainer: Trainer = found.load()
    with (folder / "progress.jsonl").open("a", encoding="utf-8") as file:

        def progress(done: float, text: str) -> None:
            file.write(json.dumps({"done": float(done), "text": str(text)}) + "\n")
            file.flush()

        candidate = trainer(read(folder), progress)
    write(candidate, folder)


def read(folder: Path) -> Assignment:
    """The assignment of a folder."""
    given: dict[str, Any] = json.loads((folder / "assignment.json").read_text("utf-8"))
    last = given.pop("last")
    file = last.pop("artifact")
    artifact = None if file is None else (folder / file).read_bytes()
    return Assignment(
        **given
        | {
            "training_set": folder / given["training_set"],
            "as_of": datetime.fromisoformat(given["as_of"]),
            "last": LastVersion(**last, artifact=artifact),
        }
    )


def write(candidate: Candidate, folder: Path) -> None:
    """Write a candidate into a folder; the configuration comes last."""
    records = [dataclasses.asdict(record) for record in candidate.records]
    (folder / "artifact").write_bytes(candidate.artifact)
    (folder / "candidate.json").write_text(
        json.dumps({"config": dict(candidate.config), "records": records}, default=_plain), "utf-8"
    )


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} has no JSON: {value!r}")


if __name__ == "__main__":
    main(sys.argv[1], Path.cwd())
