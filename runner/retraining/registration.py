"""The last version of a model, for its trainer; and the next one, in one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from importlib import metadata, util
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from runner.errors import UsageError
from runner.retraining import leases
from runner.retraining.candidate import OURS, Checked
from runner.retraining.jobs import Job
from runner.retraining.plan import TRAINERS, Retraining
from runner.retraining.queue import RefusedError
from runner.retraining.training_set import TrainingSet
from runner.servers.database import Connection
from runner.servers.planted import plain


@dataclass(frozen=True, slots=True)
class Last:
    """The newest version of a model; ``artifact`` is None where none was stored."""

    model_type: str
    version: str
    config: dict[str, Any]
    artifact: bytes | None


def last(primary: Connection, model: str) -> Last:
    """The newest version of a model. Raises UsageError for an unknown one."""
    cursor = primary.cursor(row_factory=class_row(Last))
    with plain(primary, "public.ai_models"), plain(primary, "public.ai_model_stages"):
        found = cursor.execute(
            "select m.model_type, m.version, m.config - %s as config,"
            " public.ai_model_artifact(m.model_name, m.version) as artifact"
            " from public.ai_models as m where m.model_name = %s order by m.id desc limit 1",
            (OURS, model),
        ).fetchone()
    if found is None:
        raise UsageError(f"there is no model {model}: register its first version")
    return found


def register(
    primary: Connection,
    job: Job,
    how: Retraining,
    training_set: TrainingSet,
    last_version: str,
    candidate: Checked,
) -> str:
    """Store the artifact, register the version with its records, and end the job: all or nothing.

    Returns what was done. Raises RefusedError if a trial runs by now, and LostError.
    """
    trained = {
        "job": job.id,
        "trainer": how.means,
        "seed": how.seed,
        "options": how.options,
        "training_set": training_set.sha256,
        "as_of": training_set.as_of.isoformat(),
        "last_version": last_version,
    }
    evidence = {
        "retraining_job": job.id,
        "training_set": training_set.sha256,
        "rows": training_set.rows,
    }
    try:
        with primary.transaction():
            leases.own(primary, job)
            primary.execute(
                "insert into retraining.artifacts (sha256, content) values (%s, %b)"
                " on conflict do nothing",
                (candidate.artifact_sha256, candidate.artifact),
            )
            row = primary.execute(
                "select model_id, version, is_new from public.register_trained_ai_model("
                "%s, %s, %s, %s::jsonb, %s, %s, %s, %s, %s)",
                (
                    job.model,
                    f"{training_set.as_of.astimezone(UTC):%Y-%m-%d}",
                    Jsonb({**candidate.config, OURS: trained}),
                    candidate.records,
                    f"retrained: {job.reason}",
                    Jsonb(evidence),
                    training_set.as_of,
                    _code_hash(how),
                    candidate.artifact_sha256,
                ),
            ).fetchone()
            assert row is not None  # noqa: S101 - a function's one row
            model_id, version, is_new = row
            outcome = (
                f"registered version {version}"
                if is_new
                else f"the same as version {version}: nothing was registered"
            )
            leases.end(primary, job, "succeeded", outcome, model_id, version)
    except psycopg.Error as error:
        if error.sqlstate != "SM016":
            raise
        raise RefusedError(str(error.diag.message_primary)) from None
    return outcome


def _code_hash(how: Retraining) -> str:
    """The hash of the trainer's own file, or of a command's words and the files they name."""
    digest = hashlib.sha256()
    paths: Mapping[str, Path | None]
    if how.trainer is not None:
        (found,) = metadata.entry_points(group=TRAINERS, name=how.trainer)
        spec = None
        with suppress(ImportError, AttributeError, ValueError):
            spec = util.find_spec(found.module)
        origin = None if spec is None or spec.origin is None else Path(spec.origin)
        paths = {found.value: origin}
    else:
        paths = {word: Path(word) for word in how.command or ()}
    for name, path in paths.items():
        digest.update(name.encode() + b"\0")
        with suppress(OSError):
            if path is not None and path.is_file():
                digest.update(path.read_bytes())
    return digest.hexdigest()
