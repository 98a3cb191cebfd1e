"""A program in a process of its own, within limits of time, memory and disk, without our secrets.

The limits hold for what a program does by mistake; it runs as our user, and is trusted with that.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from runner.errors import SignalMartsError

_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_PATIENCE = 20.0
"""Seconds in which the supervisor ends after it was told to, or after the time is over."""

_DUMPABLE = 4

_KEPT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "PYTHONPATH")
"""What a trainer sees of our environment; a URL or a password is in none of them."""


class TrainerError(SignalMartsError):
    """The trainer failed; the message says how, with the end of its output."""


def hide() -> None:
    """On Linux, let no other process of our user read this one's environment and memory."""
    prctl: Callable[..., int] | None = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_DUMPABLE, 0, 0, 0, 0)


def run(
    command: Sequence[str],
    folder: Path,
    *,
    seconds: float,
    memory_mb: int,
    disk_mb: int,
    tick: Callable[[], None],
) -> None:
    """Run a program in ``folder``; nothing of it is left afterwards.

    ``tick`` is called some times a second; what it raises ends the program. Raises TrainerError if
    the program fails, or exceeds a limit.
    """
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    spec = {
        "command": list(command),
        "folder": str(folder),
        "environment": {
            "LANG": "C.UTF-8",
            **kept,
            "HOME": str(folder),
            "TMPDIR": str(temporary),
            # The same seed gives the same candidate: sets of texts have one order.
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        "seconds": seconds,
        "memory_mb": memory_mb,
        "disk_mb": disk_mb,
    }
    supervisor = subprocess.Popen(
        [sys.executable, "-I", "-S", str(_SUPERVISOR), json.dumps(spec)],
        env={"PATH": os.environ.get("PATH", "")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # Ctrl-C in a terminal reaches the worker alone, which then ends the program.
        start_new_session=True,
    )
    try:
        last = time.monotonic() + seconds + _PATIENCE
        while True:
            try:
                supervisor.wait(timeout=0.05)
                break
            except subprocess.TimeoutExpired:
                tick()
                if time.monotonic() > last:
                    raise TrainerError("it could not be ended in time") from None
        # A host that stops a service may have told the program as well.
        tick()
        assert supervisor.stdout is not None  # noqa: S101 - for mypy
        # The program may hold the other end open, and the supervisor has said what it will.
        os.set_blocking(supervisor.stdout.fileno(), False)
        answer = supervisor.stdout.read() or b""
    finally:
        _stop(supervisor)
    _judge(answer, memory_mb, disk_mb)


def _stop(supervisor: subprocess.Popen[bytes]) -> None:
    """End it: with its stdin, and all that it runs, in good order; else by force."""
    assert supervisor.stdin is not None and supervisor.stdout is not None  # noqa: S101, PT018
    with suppress(OSError):
        supervisor.stdin.close()
    try:
        supervisor.wait(timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(supervisor.pid, signal.SIGKILL)
        supervisor.wait(timeout=_PATIENCE)
    finally:
        supervisor.stdout.close()


def _judge(answer: bytes, memory_mb: int, disk_mb: int) -> None:
    """Raise TrainerError unless the program ended well."""
    try:
        told = json.loads(answer)
    except ValueError:
        raise TrainerError("its supervisor was killed") from None
    code = told["code"]
    why = {
        "start": "it cannot be started",
        "time": "it took longer than timeout_minutes",
        "memory": f"it held more than {memory_mb} MB of memory (memory_mb)",
        "disk": f"it wrote more than {disk_mb} MB (disk_mb)",
        "worker": "its worker ended it",
    }.get(told["ended_by"])
    if why is None and code == 0:
        return
    if why is None:
        why = f"it ended with exit code {code}" if code > 0 else f"it was ended by signal {-code}"
        if code == -signal.SIGXFSZ:
            why = f"it wrote a file of more than {disk_mb} MB (disk_mb)"
    output = told["output"].strip()
    raise TrainerError(f"{why}; its output ends with:\n{output}" if output else why)
