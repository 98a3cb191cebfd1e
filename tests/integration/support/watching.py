"""A watch in a process of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import children
from drills import eventually, read_project
from landscapes import Landscape

from runner.settings import PROJECT


class Watching:
    """A watch in a process of its own, and the lines that it wrote so far."""

    def __init__(self, landscape: Landscape, target: Path, *options: str) -> None:
        self._landscape = landscape
        self.rounds: list[str] = []
        self.notes: list[str] = []
        read_project(landscape.replica, target)
        self._process = children.Forked(
            *("watch", *options),
            cwd=PROJECT,
            env=os.environ
            | {
                "PRIMARY_URL": landscape.primary.url,
                "REPLICA_URL": landscape.replica.url,
                "DBT_TARGET_PATH": str(target),
                "DBT_WRITE_JSON": "no",  # artifacts that nobody reads
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._readers = [
            threading.Thread(target=self._read, args=pair)
            for pair in ((self._process.stdout, self.rounds), (self._process.stderr, self.notes))
        ]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _read(stream: IO[str], lines: list[str]) -> None:
        with stream:
            lines.extend(line.rstrip() for line in stream)

    def code(self) -> int | None:
        """The exit code of one that has ended."""
        return self._process.poll()

    def has_built(self, rounds: int) -> bool:
        assert self._process.poll() is None, self.notes
        return len(self.rounds) >= rounds

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """At a moment at which it holds no lock that others would wait for."""
        eventually(self._is_paused_between_tokens)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def _is_paused_between_tokens(self) -> bool:
        self._process.send_signal(signal.SIGSTOP)
        # Its server may begin statements that it sent before a moment later.
        for _ in range(20):
            time.sleep(0.05)
            if self._landscape.on_primary(
                "select from pg_locks where relation = 'public.ai_replication_fence'::regclass"
            ):
                self._process.send_signal(signal.SIGCONT)
                return False
        return True

    def end(self, number: int) -> int:
        self._process.send_signal(number)
        try:
            self._process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGABRT)  # which tells where each thread is
            self.notes.append("did not end")
        for reader in self._readers:
            reader.join()
        assert "did not end" not in self.notes, "\n".join(self.notes)
        return self._process.wait()
