"""What commands of versions and retrainings share: tables on stdout, and moments as options."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import click
from rich.console import Console
from rich.table import Table

from runner.progress import harmless

_NEVER_WRAPPED = 100_000


def show(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows below headings; a row is a line where stdout is no terminal."""
    table = Table(*headings, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(harmless, row))
    out = Console(highlight=False, soft_wrap=True, markup=False)
    if not out.is_terminal:
        out.width = _NEVER_WRAPPED
    out.print(table)


def moment(text: str) -> datetime:
    """A moment of ISO 8601, as an option takes it; in UTC where it has no offset."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no moment as 2025-03-01T12:00:00Z") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
