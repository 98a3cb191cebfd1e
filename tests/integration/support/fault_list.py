"""The faults that docs/faults.md lists."""

from __future__ import annotations

import re

from runner.settings import PROJECT


def listed(command: str) -> dict[str, str]:
    """Names of faults that a command finds, with the finding's title or check."""
    page = (PROJECT / "docs/faults.md").read_text("utf-8")
    rows = re.findall(
        r"^\| ([^|]+?) \| [^|]+ \| `(\w+)`: ([^|]+?) \| [^|]+ \|$", page, re.MULTILINE
    )
    return {name: found for name, by, found in rows if by == command}
