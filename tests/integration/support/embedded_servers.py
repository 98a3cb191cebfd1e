"""Where embedded servers of tests are, and their end."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, LiteralString

import psutil
import psycopg
import pytest

from runner.demo.embedded import EmbeddedPair, EmbeddedServer


@contextlib.contextmanager
def folder_for_all() -> Iterator[Path]:
    """A folder that every user can reach, unlike pytest's own; in memory where there is room,
    because most of the time would go into making files durable."""
    memory = Path("/dev/shm")  # noqa: S108
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 2**30
    folder = Path(tempfile.mkdtemp(prefix="embedded-", dir=memory if roomy else None))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        EmbeddedPair(folder / "home").destroy()
        shutil.rmtree(folder)


def kill(server: EmbeddedServer) -> None:
    pid = server.pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait(30)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to act as several users")


def secret_of(pair: EmbeddedPair) -> str:
    return pair.passfile.read_text().split()[0].split(":")[-1]


def ask(server: EmbeddedServer, query: LiteralString, **changes: Any) -> Any:
    """The first value that a query gives, over TCP and with the password unless told otherwise."""
    options: dict[str, Any] = {"password": secret_of(server._pair), "autocommit": True} | changes
    with psycopg.connect(server.url, **options) as connection:
        cursor = connection.execute(query)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def public_home() -> Iterator[Path]:
    with folder_for_all() as folder:
        yield folder / "home"


@pytest.fixture(scope="module", params=[18, 16])
def made_pair(request: pytest.FixtureRequest) -> Iterator[EmbeddedPair]:
    with folder_for_all() as folder:
        pair = EmbeddedPair(folder / "home", version=request.param)
        pair.up()
        yield pair
