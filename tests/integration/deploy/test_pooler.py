"""A deploy through a pooler is refused: a real PgBouncer in transaction mode."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import children
import psycopg
import pytest
from landscapes import Landscape

from runner.servers.database import ConnectionFailedError, Database
from runner.servers.deploy_lock import LockedError

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
needs_pgbouncer = pytest.mark.skipif(
    PGBOUNCER is None, reason="needs PgBouncer (on Debian: apt-get install pgbouncer)"
)


@contextmanager
def pooler(server: Database, folder: Path, port: int, *settings: str) -> Iterator[Database]:
    """A database through PgBouncer, which logs in with that database's user and password."""
    given = server.parameters()
    config = folder / "pgbouncer.ini"
    config.write_text(
        "[databases]\n* = "
        + " ".join(f"{name}={given[name]}" for name in ("host", "port", "user", "password"))
        + f"""
        [pgbouncer]
        listen_addr = 127.0.0.1
        listen_port = {port}
        unix_socket_dir =
        auth_type = any
        pool_mode = transaction
        """.replace("        ", "")
        + "\n".join(settings)
    )
    command = [str(PGBOUNCER), "--quiet", str(config)]
    process = children.Popen(command, user="nobody" if os.geteuid() == 0 else None)
    url = f"postgresql://{given['user']}@127.0.0.1:{port}/{given['dbname']}"
    try:
        _await(process, url)
        yield replace(server, url=url)
    finally:
        process.terminate()
        process.wait()


def _await(process: subprocess.Popen[bytes], url: str) -> None:
    while process.poll() is None:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            continue
        return
    pytest.fail(f"PgBouncer ended with {process.returncode}")


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
