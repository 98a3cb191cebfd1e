"""``signal-marts import``: imports an AI module's old store row by row.

A row is stored exactly or rejected with the reason. Rows are stored in batches, a transaction each,
with their key in the old store (``ai_imported_records`` in the migrations): if a run was
interrupted, the next one reads the store again, finds the rows stored before, and goes on. Files of
bars are read here as well. Rooms it imports: servers, client.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from runner.client import AITradingIntegration, validation
from runner.client.errors import ModelConflictError, RowsRefusedError
from runner.client.pools import Pools
from runner.client.records import Model
from runner.client.values import InvalidRecordError
from runner.errors import UsageError
from runner.progress import Advance
from runner.servers.deploy_lock import LockedError
from runner.store_import.mapping import MappingError, StoreMapping, read_mapping
from runner.store_import.records import Converter, Entry
from runner.store_import.sources import SourceError, SourceRow, open_source

__all__ = ["MappingError", "Report", "SourceError", "import_store"]

# Most rows and most bytes of a transaction: whichever is reached first.
_BATCH_ROWS = 1_000
_BATCH_BYTES = 4 * 1024 * 1024
# Limits of the file of rejects: characters of a value, and bytes.
_LONGEST_SHOWN = 1_000
_MOST_REJECTS = 100 * 1024 * 1024
# More memory than now for reading a store, at most: one byte of Parquet may unpack to a megabyte.
_MEMORY = 2 * 1024**3

_REASONS = {
    "changed": "was imported before with other values, which stay",
    "taken": "would be a second row of its key: the table holds one that is not of this source",
}


@dataclass
class Report:
    """Counts of the rows by outcome; the other counts add up to ``read``.

    Attributes:
        read: rows of the store.
        stored: new rows.
        already_there: rows that an earlier run stored, or that are in the store twice.
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
    """Import a store by a mapping file; without ``pools``, only check its rows.

    Rejected rows go to ``rejects``, a JSON object a line; the file is there only if there are any.
    Without ``pools``, a row that passes the check counts as stored. Raises MappingError and
    SourceError before anything is stored, and SourceError where a file turns out to be damaged or
    larger than memory: the batches before that are stored. Raises LockedError if another import
    writes these rejects, StoreError if the database refuses all rows for the same reason.
    """
    mapping = read_mapping(mapping_file)
    module = None if pools is None else AITradingIntegration(pools)
    report = Report()
    try:
        with _bounded_memory():
            store = open_source(source, mapping.table, mapping.delimiter)
            wanted = mapping.columns_of(store.columns)
            if rejects.exists() and any(rejects.samefile(read) for read in (source, mapping_file)):
                raise UsageError(f"{rejects} is read here: name another file for the rejected rows")
            with _rejects_file(rejects) as file:
                run = _Run(mapping, module, file, report)
                for row in store.rows(wanted):
                    run.take(row)
                    if report.read % _BATCH_ROWS == 0:
                        advance(row.done, store.total, f"{report.read:,} rows")
                run.end()
    except MemoryError:
        problem = f"what follows row {report.read:,} takes more than 2 GiB of memory"
        raise SourceError(source, problem) from None
    return report


@contextmanager
def _bounded_memory() -> Iterator[None]:
    """Limit this process to ``_MEMORY`` more than it uses now, where Linux reports its use."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    try:
        taken = re.search(r"VmSize:\s+([0-9]+) kB", Path("/proc/self/status").read_text())
    except OSError:
        taken = None
    if taken is None or soft != resource.RLIM_INFINITY:
        yield
        return
    resource.setrlimit(resource.RLIMIT_AS, (int(taken[1]) * 1024 + _MEMORY, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@contextmanager
def _rejects_file(path: Path) -> Iterator[TextIO]:
    """A file that gets its name when it is complete, and then replaces an earlier run's.

    It holds rows of a store, so only its owner can read it. Raises LockedError while another import
    writes it.
    """
    part = path.with_name(path.name + ".part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise UsageError(f"{part}: cannot be written ({error.strerror})") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        if not _is_ours(file, part):
            raise LockedError(
                f"another import is writing {path}: wait for it to end, or name another file "
                "with --rejects"
            )
        file.truncate()
        os.fchmod(descriptor, 0o600)
        yield file
        file.flush()
        if file.tell():
            part.replace(path)
        else:
            part.unlink()
            path.unlink(missing_ok=True)


def _is_ours(file: TextIO, part: Path) -> bool:
    """Lock a file; False if another import holds it, or has just renamed it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(part.stat(), os.fstat(file.fileno()))
    except (BlockingIOError, FileNotFoundError):
        return False


class _Run:
    """One import: its batch, its counts, its file of rejects."""

    def __init__(
        self,
        mapping: StoreMapping,
        module: AITradingIntegration | None,
        rejects: TextIO,
        report: Report,
    ) -> None:
        self.report = report
        self._mapping = mapping
        self._module = module
        self._rejects = rejects
        self._room = _MOST_REJECTS
        self._untold = 0
        self._converter = Converter(mapping, self._model_id)
        # By key: a row whose key is already in the batch waits for the next batch.
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
        # The row waits beside its entry.
        held = (value for value in row.values.values() if isinstance(value, str | bytes))
        size = len(entry.text) + sum(map(len, held))
        if (
            entry.key in self._batch
            or len(self._batch) == _BATCH_ROWS
            or self._bytes + size > _BATCH_BYTES
        ):
            self._store_batch()
        self._batch[entry.key] = number, row, entry
        self._bytes += size

    def end(self) -> None:
        """Store the batch, and finish the file of rejects."""
        self._store_batch()
        if self._untold:
            told = f"{self._untold:,} more rows were rejected: this file ends at 100 MiB"
            self._rejects.write(json.dumps({"row": None, "reason": told, "values": {}}) + "\n")

    def _store_batch(self) -> None:
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
            # The database does not say which row it is.
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
        values = {name: _shown(value) for name, value in row.values.items()}
        line = json.dumps({"row": number, "reason": reason, "values": values}, default=str)
        line += "\n"
        if self._untold or len(line) > self._room:
            self._untold += 1
        else:
            self._room -= len(line)
            self._rejects.write(line)

    def _model_id(self, model: Model) -> int:
        if self._module is None:
            validation.model_row(model)
            return 1
        return self._module.import_model(model)


def _shown(value: object) -> object:
    """A value as JSON; only its beginning if it is long."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, bytes):
        text, length = value[:_LONGEST_SHOWN].hex(), len(value) * 2
    else:
        text = json.dumps(value, default=str) if isinstance(value, list | dict) else str(value)
        length = len(text)
    if length > _LONGEST_SHOWN:
        return f"{text[:_LONGEST_SHOWN]}… ({length:,} characters)"
    return value if isinstance(value, list | dict) else text
