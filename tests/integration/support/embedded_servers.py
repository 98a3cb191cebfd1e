"""Where embedded servers of tests are, and their end."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil

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
