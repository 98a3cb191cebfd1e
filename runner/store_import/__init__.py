"""``signal-marts import``: an AI module's old store, brought in row by row.

A row is stored exactly or rejected with the reason. Rows go in by batches, a transaction each, with
the key that names them in their store (``ai_imported_records`` in the migrations): whatever
happened to an earlier run, the next one reads the store again, finds what is there, and goes on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from runner import signal_validation as validation
from runner.errors import UsageError
from runner.pools import Pools
from runner.progress import Advance
from runner.records import Model
from runner.signal_errors import ModelConflictError, RowsRefusedError
from runner.signal_validation import InvalidRecordError
from runner.signals import AITradingIntegration
from runner.store_import.mapping import MappingError, StoreMapping, read_mapping
from runner.store_import.records import Converter, Entry
from runner.store_import.sources import SourceError, SourceRow, open_source

__all__ = ["MappingError", "Report", "SourceError", "import_store"]

# Rows of a transaction, and bytes of their JSON: whichever is reached first.
_BATCH_ROWS = 1_000
_BATCH_BYTES = 4 * 1024 * 1024

_REASONS = {
    "changed": "was imported before with other values, which stay",
    "taken": "would be a second row of its key: the table holds one that is not of this source",
}


@dataclass
class Report:
    """What became of each row that was read; the others add up to ``read``.

    Attributes:
        read: rows of the store.
        stored: rows that are new.
        already_there: rows that an earlier run stored, or that stand in the store twice.
        rejected: rows that are in the file of rejects, with the reason.
    """

    read: int = 0
    stored: int = 0
    already_there: int = 0
    rejected: int = 0


def import_store(
    source: Path,
    mapping_file: Path,
    pools: Pools | None,
    *,
    rejects: Path,
    advance: Advance,
) -> Report:
    """Import a store as the mapping file says; without ``pools``, only check its rows.

    Rejected rows go to ``rejects``, a JSON object a line; the file is there only if there are any.
    A row that passed the check counts as stored where nothing is. Raises MappingError and
    SourceError before anything is stored, and SourceError where a file turns out to be damaged: the
    batches before that are stored. Raises StoreError where the database refuses all rows alike.
    """
    mapping = read_mapping(mapping_file)
    store = open_source(source, mapping.table, mapping.delimiter)
    mapping.check_columns(store.columns)
    if rejects.exists() and any(rejects.samefile(given) for given in (source, mapping_file)):
        raise UsageError(f"{rejects} is read here: name another file for the rejected rows")
    module = None if pools is None else AITradingIntegration(pools)
    with _rejects_file(rejects) as file:
        run = _Run(mapping, module, file)
        for row in store.rows:
            run.take(row)
            if run.report.read % _BATCH_ROWS == 0:
                advance(row.done, store.total, f"{run.report.read:,} rows")
        run.store()
    return run.report


@contextmanager
def _rejects_file(path: Path) -> Iterator[TextIO]:
    """A file that takes its name when it is complete, and that an earlier run's gives way to."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("w", encoding="utf-8") as file:
            yield file
            is_empty = file.tell() == 0
    except OSError as error:
        if error.filename != str(part):
            raise
        raise UsageError(f"{part}: cannot be written ({error.strerror})") from None
    if is_empty:
        part.unlink()
        with suppress(FileNotFoundError):
            path.unlink()
    else:
        part.replace(path)


class _Run:
    """One import: its batch, its counts, its file of rejects."""

    def __init__(
        self, mapping: StoreMapping, module: AITradingIntegration | None, rejects: TextIO
    ) -> None:
        self.report = Report()
        self._mapping = mapping
        self._module = module
        self._rejects = rejects
        self._converter = Converter(mapping, self._model_id)
        # By key: a row whose key is in the batch already waits for the next one.
        self._batch: dict[str, tuple[int, SourceRow, Entry]] = {}
        self._bytes = 0

    def take(self, row: SourceRow) -> None:
        """Put a row into the batch, or reject it."""
        self.report.read += 1
        number = self.report.read
        if row.problem is not None:
            self._reject(number, row, f"the row {row.problem}")
            return
        try:
            entry = self._converter.entry(row.values)
        except (InvalidRecordError, ModelConflictError) as error:
            self._reject(number, row, str(error))
            return
        size = len(entry.text)
        if (
            entry.key in self._batch
            or len(self._batch) == _BATCH_ROWS
            or self._bytes + size > _BATCH_BYTES
        ):
            self.store()
        self._batch[entry.key] = number, row, entry
        self._bytes += size

    def store(self) -> None:
        """Store the batch."""
        items, self._batch, self._bytes = list(self._batch.values()), {}, 0
        if items:
            self._store(items)

    def _store(self, items: list[tuple[int, SourceRow, Entry]]) -> None:
        if self._module is None:
            self.report.stored += len(items)
            return
        if self._mapping.destination == "market_bars":
            bars = [entry.bar for _, _, entry in items if entry.bar is not None]
            stored = self._module.store_market_bars(bars)
            self.report.stored += stored
            self.report.already_there += len(items) - stored
            return
        try:
            outcomes = self._module.import_rows(
                self._mapping.destination,
                self._mapping.source_name,
                [entry.text for _, _, entry in items],
            )
        except RowsRefusedError as error:
            if len(items) == 1:
                self._reject(*items[0][:2], str(error))
                return
            # Which of them it is the database does not say.
            middle = len(items) // 2
            self._store(items[:middle])
            self._store(items[middle:])
            return
        for number, row, entry in items:
            outcome = outcomes[entry.key]
            if outcome == "stored":
                self.report.stored += 1
            elif outcome == "already there":
                self.report.already_there += 1
            else:
                self._reject(number, row, f"the row {_REASONS[outcome]}")

    def _reject(self, number: int, row: SourceRow, reason: str) -> None:
        self.report.rejected += 1
        told: dict[str, Any] = {"row": number, "reason": reason, "values": row.values}
        self._rejects.write(json.dumps(told, default=_shown) + "\n")

    def _model_id(self, model: Model) -> int:
        if self._module is None:
            validation.model_row(model)
            return 1
        return self._module.import_model(model)


def _shown(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
