"""Connections to both servers at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from runner.servers.database import Connection, Database


@dataclass(frozen=True)
class Sides:
    """Both databases, each with an autocommit connection to it."""

    primary: Database
    replica: Database
    on_primary: Connection
    on_replica: Connection
    replication_url: str | None
    """How the replica reaches the primary; None: like us, with a login of its own."""


@contextmanager
def connected(
    primary: Database,
    replica: Database,
    replication_url: str | None = None,
    *,
    application: str = "signal-marts",
) -> Iterator[Sides]:
    """Autocommit connections to both sides."""
    with (
        primary.connect(autocommit=True, application=application) as on_primary,
        replica.connect(autocommit=True, application=application) as on_replica,
    ):
        yield Sides(primary, replica, on_primary, on_replica, replication_url)
