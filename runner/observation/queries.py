"""The queries of a sample: a file in ``sql/`` each, with a header that says what it gives.

The header's lines may also say from which version of PostgreSQL on there is such a thing, and what
a login does not see that is no member of pg_read_all_stats. Where they name the locks that such a
query would wait for, it begins with ``locked``, the relations that such a lock is on.
``<part>.before_17.sql`` is the query of a part on older servers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True)
class Query:
    """A part of a sample, and the statement that gives it.

    ``first_version`` is the oldest version with such statistics; ``hidden`` says what a login does
    not see without pg_read_all_stats, or is None.
    """

    part: str
    statement: str
    first_version: int
    hidden: str | None


@cache
def queries(version: int) -> tuple[Query, ...]:
    """The query of each part for a major version of PostgreSQL, the server's own first."""
    chosen: dict[str, tuple[float, Query]] = {}
    for file in resources.files("runner.observation").joinpath("sql").iterdir():
        part, _, before = file.name.removesuffix(".sql").partition(".before_")
        limit = float(before or "inf")
        if version < limit and (part not in chosen or limit < chosen[part][0]):
            chosen[part] = (limit, _query(part, file.read_text("utf-8")))
    return tuple(query for _, query in sorted(chosen.values(), key=_place))


def _place(found: tuple[float, Query]) -> tuple[bool, str]:
    part = found[1].part
    return part != "servers", part


def _query(part: str, text: str) -> Query:
    since = re.search(r"^-- From version (\d+)\.$", text, re.MULTILINE)
    hidden = re.search(r"^-- Without pg_read_all_stats: (.+)\.$", text, re.MULTILINE)
    if locks := re.search(r"^-- Locks against it: (.+)\.$", text, re.MULTILINE):
        locked = resources.files("runner.observation").joinpath("locked.sql").read_text("utf-8")
        modes = ", ".join(f"'{mode}'" for mode in locks[1].split(", "))
        text = text.replace("\nwith ", f"\nwith {locked.format(modes=modes)}", 1)
    return Query(part, text, int(since[1]) if since else 0, hidden[1] if hidden else None)
