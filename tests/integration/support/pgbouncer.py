"""A real PgBouncer before a database."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import children
import psycopg
import pytest

from runner.servers.database import Database

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")


def _await(process: subprocess.Popen[bytes], url: str) -> None:
    while process.poll() is None:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            continue
        return
    pytest.fail(f"PgBouncer ended with {process.returncode}")


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
