"""Tables on stdout."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from runner.progress import harmless


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows below headings, without what steers a terminal."""
    table = Table(*headings, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(harmless, row))
    Console(highlight=False, soft_wrap=True, markup=False).print(table)
