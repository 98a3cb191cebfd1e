"""Progress on stderr: bars where there is a terminal, plain lines where there is none."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

console = Console(stderr=True, highlight=False, soft_wrap=True)

Advance = Callable[[int, int, str], None]
"""Called with the number done, the total, and what is being worked on."""


_STEERING = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def harmless(text: str) -> str:
    """A text of anybody's choice on one line, without what steers a terminal."""
    return _STEERING.sub(lambda found: repr(found[0])[1:-1], text)


def note(text: str) -> None:
    """Say what was done, on a line or some."""
    console.print("\n".join(map(harmless, text.split("\n"))), markup=False)


@contextmanager
def progress(title: str) -> Iterator[Advance]:
    """Show how far a long piece of work is; without a terminal, a line at each tenth of it."""
    if console.is_terminal:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[at]}", style="dim", markup=False),
        )
        with Progress(*columns, console=console, transient=True) as bars:
            task = bars.add_task(title, total=None, at="")

            def advance(done: int, total: int, at: str) -> None:
                bars.update(task, completed=done, total=total, at=harmless(at))

            yield advance
        return

    shown = -1

    def line(done: int, total: int, at: str) -> None:
        nonlocal shown
        tenth = 10 * done // total if total else 10
        if tenth > shown:
            shown = tenth
            note(f"{title}: {done} of {total} {at}".rstrip())

    yield line
