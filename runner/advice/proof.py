"""What a proof says: what statements and inserts touch with an index and without it, and so whether
the change gains, is of no gain, or harms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from runner.words import plural

GAIN, NO_GAIN, HARMFUL, NOT_PROVEN = "gain", "no gain", "harmful", "not proven"

AT_MOST_TIMES = 20
"""A straight line through a copy and its half is drawn on to so many times the copy's rows."""

AT_MOST_STATEMENTS = 20
"""So many statements that name a table are run again."""
BEYOND = f"beyond the {AT_MOST_STATEMENTS} costliest"
"""Why the others are not."""


@dataclass(frozen=True)
class Replayed:
    """A statement before and after the change: blocks a call, on the primary's size, and
    milliseconds a call, on the copy's."""

    statement: str
    values: tuple[str, ...]
    calls_per_day: float | None
    blocks_before: float
    blocks_after: float
    milliseconds_before: float
    milliseconds_after: float
    uses_index: bool

    @property
    def blocks_saved(self) -> float:
        return self.blocks_before - self.blocks_after

    @property
    def is_better(self) -> bool:
        return is_more(self.blocks_before, self.blocks_after)

    @property
    def is_worse(self) -> bool:
        return is_more(self.blocks_after, self.blocks_before)

    @property
    def is_write(self) -> bool:
        return self.statement.split(maxsplit=1)[0].lower() in ("update", "delete", "merge")


@dataclass(frozen=True)
class InsertCost:
    """What a row takes when it is inserted.

    Bytes of the log are None where the login may make no table that is logged.
    """

    blocks: float
    milliseconds: float
    wal_bytes: float | None


@dataclass(frozen=True)
class Inserted:
    """The cost of so many rows, each, without the index and with it."""

    rows: int
    without: InsertCost
    with_index: InsertCost


@dataclass(frozen=True)
class Proof:
    """What replays on scratch copies prove; ``why`` is the verdict's reason.

    ``rows`` of ``table_rows`` were copied, and drawn on to ``drawn_rows``. ``statement`` and
    ``undo`` are those of an index that the finding itself does not name.
    """

    verdict: str
    why: str
    rows: int = 0
    table_rows: int = 0
    drawn_rows: int = 0
    statements: tuple[Replayed, ...] = ()
    not_replayed: tuple[tuple[str, str], ...] = ()
    inserts: Inserted | None = None
    blocks_saved_per_day: float | None = None
    statement: str | None = None
    undo: str | None = None


def is_more(blocks: float, others: float) -> bool:
    """Whether so many blocks are more than the others by more than chance: another level of an
    index, or a row that lies on two blocks."""
    return blocks > 1.2 * others + 4


def of_new_index(
    replayed: Sequence[Replayed],
    not_replayed: Sequence[tuple[str, str]],
    inserts: Inserted | None,
    writes_per_day: float | None,
) -> tuple[str, str, float | None]:
    """Verdict and reason of an index that is to be made, and the blocks that it saves a day.

    Writes touch more blocks with any index: they count against what it saves.
    """
    saved = _saved_per_day(replayed)
    if inserts is not None and writes_per_day is not None and saved is not None:
        saved -= writes_per_day * (inserts.with_index.blocks - inserts.without.blocks)
    if worse := [each for each in replayed if each.is_worse and not each.is_write]:
        return HARMFUL, _told(worse[0]), saved
    if not replayed:
        reasons = sorted({why for _, why in not_replayed})
        return NOT_PROVEN, "; ".join(reasons) or "no statement that names the table is known", None
    if not any(each.uses_index for each in replayed):
        return NO_GAIN, "no statement uses the index", saved
    best = max(replayed, key=lambda each: each.blocks_saved)
    better = [each for each in replayed if each.is_better]
    if not better:
        return NO_GAIN, _told(best), saved
    if saved is not None and saved <= 0 and all(each.calls_per_day for each in better):
        return NO_GAIN, "writes touch more blocks for it than statements save", saved
    return GAIN, _told(best), saved


def of_dropped_index(
    replayed: Sequence[Replayed],
    not_replayed: Sequence[tuple[str, str]],
    inserts: Inserted | None,
    writes_per_day: float | None,
    *,
    is_safe: bool,
) -> tuple[str, str, float | None]:
    """The same of an index that is to be dropped; ``is_safe`` where no statement can need it."""
    if worse := [each for each in replayed if each.is_worse]:
        return HARMFUL, _told(max(worse, key=lambda each: -each.blocks_saved)), None
    if not is_safe and (not_replayed or not replayed):
        reasons = sorted({why for _, why in not_replayed})
        return NOT_PROVEN, "; ".join(reasons) or "no statement that names the table is known", None
    saved = None
    if inserts is not None and writes_per_day is not None:
        saved = writes_per_day * (inserts.with_index.blocks - inserts.without.blocks)
        saved += _saved_per_day(replayed) or 0
    return GAIN, f"{plural(len(replayed), 'statement')} replayed, none touches more blocks", saved


def up_to(
    rows: int, drawn: tuple[str, str, float | None], on_copy: tuple[str, str, float | None]
) -> tuple[str, str, float | None]:
    """What is told where the table has more rows than a copy is drawn on to.

    A gain and a harm stand where the copy alone shows them too; all else is open.
    """
    beyond = f"not proven beyond {rows:,} rows"
    if drawn[0] == on_copy[0] and drawn[0] in (GAIN, HARMFUL):
        return drawn[0], f"{drawn[1]} ({beyond})", None
    return NOT_PROVEN, beyond if drawn[0] != NOT_PROVEN else drawn[1], None


def _saved_per_day(replayed: Sequence[Replayed]) -> float | None:
    """What is known of it, or None where nothing is."""
    known = [
        each.blocks_saved * each.calls_per_day
        for each in replayed
        if each.calls_per_day is not None
    ]
    return sum(known) if known else None


def _told(one: Replayed) -> str:
    return (
        f"{one.blocks_before:,.0f} blocks a call before, {one.blocks_after:,.0f} after: "
        f"{' '.join(one.statement.split())[:200]}"
    )


def lines(proof: Proof) -> Iterator[str]:
    """A proof in words, a line each."""
    yield f"{proof.verdict}: {proof.why}"
    if proof.rows:
        yield f"on a copy of {proof.rows:,} of {proof.table_rows:,} rows" + (
            ""
            if proof.drawn_rows <= proof.rows
            else f", drawn on to {proof.drawn_rows:,} of them"
            if proof.drawn_rows < proof.table_rows
            else ", drawn on to all of them"
        )
    for each in proof.statements:
        yield (
            f"{each.blocks_before:,.1f} → {each.blocks_after:,.1f} blocks, "
            f"{each.milliseconds_before:,.3g} → {each.milliseconds_after:,.3g} ms a call, index "
            f"{'used' if each.uses_index else 'not used'}: {' '.join(each.statement.split())[:120]}"
        )
    beyond = [statement for statement, why in proof.not_replayed if why == BEYOND]
    for statement, why in proof.not_replayed:
        if why != BEYOND:
            yield f"not replayed: {why}: {' '.join(statement.split())[:120]}"
    if beyond:
        yield f"not replayed: {BEYOND}: {plural(len(beyond), 'statement')}"
    if (inserts := proof.inserts) is not None:
        costs = (
            f"{each.blocks:,.1f} blocks, {each.milliseconds:,.3g} ms"
            + ("" if each.wal_bytes is None else f", {each.wal_bytes:,.0f} bytes of log")
            for each in (inserts.without, inserts.with_index)
        )
        yield "a row inserted: without the index {}; with it {}".format(*costs)
    if proof.blocks_saved_per_day is not None:
        yield f"saves {proof.blocks_saved_per_day:,.0f} blocks a day"
