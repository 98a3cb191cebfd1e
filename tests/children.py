"""Programs that tests start: none outlives its limit, even if the test waits for something else."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

LIMIT = 1200.0
"""Seconds that a program may take where nothing else is said: as long as any test may. A test has a
limit of its own, at which its ``with`` ends."""


class Popen(subprocess.Popen[Any]):
    """As subprocess.Popen, killed after ``seconds`` with all that it started.

    So a reader of its output, or a waiting test, goes on. Only processes that left its session
    stay, as servers do. At the end of a ``with`` it is killed, if it is still at work.
    """

    def __init__(
        self, command: Sequence[str | Path], *, seconds: float = LIMIT, **options: Any
    ) -> None:
        super().__init__([str(each) for each in command], start_new_session=True, **options)
        threading.Thread(target=self._guard, args=(seconds,), daemon=True).start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.poll() is None:
            self._kill_all()
        super().__exit__(kind, error, traceback)

    def _guard(self, seconds: float) -> None:
        try:
            self.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self._kill_all()

    def _kill_all(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


def run(
    command: Sequence[str | Path],
    *,
    seconds: float = LIMIT,
    check: bool = False,
    capture_output: bool = False,
    **options: Any,
) -> subprocess.CompletedProcess[Any]:
    """As subprocess.run, with such a limit; a program that ran too long ends with -9."""
    if capture_output:
        options |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with Popen(command, seconds=seconds, **options) as process:
        written, errors = process.communicate()
    done = subprocess.CompletedProcess(process.args, process.returncode, written, errors)
    if check:
        done.check_returncode()
    return done
