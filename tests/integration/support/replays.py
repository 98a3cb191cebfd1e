"""A replayed market on a primary."""

from __future__ import annotations

from collections import Counter
from datetime import date

from runner.demo.market import synthetic_market
from runner.demo.replay import replay
from runner.servers.database import Connection

# The modules say nothing before they have seen two weeks.
DAYS = 20


def replay_market(connection: Connection) -> Counter[str]:
    seen: list[tuple[date, int, int]] = []
    counts = replay(
        connection,
        synthetic_market(7, DAYS),
        seed=7,
        on_day=lambda day, done, total: seen.append((day, done, total)),
    )
    assert len({day for day, _, _ in seen}) == DAYS
    assert [(done, total) for _, done, total in seen] == [(n + 1, DAYS) for n in range(DAYS)]
    return counts
