"""Words that more than one room says."""

from __future__ import annotations


def plural(value: int, noun: str) -> str:
    """A count and what it counts, such as "1 trade" and "2 trades"."""
    return f"{value:,} {noun}" if value == 1 else f"{value:,} {noun}s"
