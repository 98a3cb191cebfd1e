"""Deploy: the migrations on the primary, then replication made to fit the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from runner import migrations, sync
from runner.contract import check_platform, read_contract
from runner.database import Database


@contextmanager
def connected(
    primary: Database, replica: Database, replication_url: str | None = None
) -> Iterator[sync.Sides]:
    """Autocommit connections to both sides."""
    with (
        primary.connect(autocommit=True) as on_primary,
        replica.connect(autocommit=True) as on_replica,
    ):
        yield sync.Sides(primary, replica, on_primary, on_replica, replication_url)


def deploy(
    primary: Database,
    replica: Database,
    *,
    lock_timeout: float,
    fence_timeout: float,
    report: Callable[[str], None],
    replication_url: str | None = None,
) -> bool:
    """Bring both sides to what the project says; return whether anything had to be changed.

    Timeouts are in seconds. The platform's tables are checked before anything is touched.
    """
    contract = read_contract()
    with connected(primary, replica, replication_url) as sides:
        check_platform(sides.on_primary, contract)
        applied = migrations.apply(primary, lock_timeout=lock_timeout, report=report)
        with migrations.one_at_a_time(primary):
            synced = sync.sync(sides, contract, fence_timeout=fence_timeout, report=report)
    return bool(applied) or synced
