"""A deploy through a pooler is refused: a real PgBouncer in transaction mode."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from landscapes import Landscape
from pgbouncer import needs_pgbouncer, pooler

from runner.servers.database import ConnectionFailedError, Database
from runner.servers.deploy_lock import LockedError


@pytest.fixture(params=[[], ["ignore_startup_parameters = options"]], ids=["strict", "lenient"])
def pooled(
    request: pytest.FixtureRequest,
    landscape: Landscape,
    open_folder: Path,
    unused_port: Callable[[], int],
) -> Iterator[Database]:
    """The primary through a pooler, which refuses or ignores options of the connection."""
    password = Path(os.environ["PGPASSFILE"]).read_text().split()[0].rpartition(":")[2]
    url = landscape.primary.url.replace("@", f":{password}@")
    with pooler(Database("primary", url), open_folder, unused_port(), *request.param) as pooled:
        yield pooled


@needs_pgbouncer
def test_a_deploy_through_a_pooler_is_refused(landscape: Landscape, pooled: Database) -> None:
    with pytest.raises((LockedError, ConnectionFailedError), match="goes through a connection poo"):
        replace(landscape, primary=pooled).deploy()
    assert landscape.on_primary("select to_regclass('ai_models')::text") == [(None,)]
