"""A build: the fence, dbt, and a row that says how it went."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from runner import fence, transform
from runner.contract import read_contract
from runner.database import Database
from runner.deploy import connected
from runner.progress import Advance


def build(
    primary: Database,
    replica: Database,
    *,
    fence_timeout: float,
    advance: Advance,
    select: Sequence[str] = (),
    exclude: Sequence[str] = (),
    full_refresh: bool = False,
    target: Path | None = None,
) -> transform.Build:
    """Build the marts from all that the primary had committed when this was called.

    ``fence_timeout`` is in seconds; ``target`` is dbt's output folder. Raises FenceError where the
    replica does not catch up.
    """
    with connected(primary, replica) as sides:
        fence.wait(sides.on_primary, sides.on_replica, read_contract(), timeout=fence_timeout)
    started_at = datetime.now(UTC)
    result = transform.build(
        replica.environment(),
        advance=advance,
        select=select,
        exclude=exclude,
        full_refresh=full_refresh,
        target=target,
    )
    with replica.connect() as connection:
        connection.execute(
            "insert into signal_marts.builds"
            " (started_at, finished_at, is_success, nodes, failures, selection)"
            " values (%s, %s, %s, %s, %s, %s)",
            (
                started_at,
                datetime.now(UTC),
                not result.failures,
                len(result.nodes),
                len(result.failures),
                " ".join(select) or None,
            ),
        )
    return result
