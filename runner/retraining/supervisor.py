"""Runs one program within limits, and leaves no process of it behind. Stdlib alone.

Started as a file by ``sandbox``, with a JSON object as its argument. It ends with the program, and
prints how that went, as JSON. When its stdin is closed, it ends the program: so a program does not
outlive the worker that asked for it, however the worker ended. On Linux, also those processes are
found that left the program's session.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

_LOOK = 0.05
"""Seconds between two looks at memory and time; disk is looked at less often."""

_KEPT = 4000
"""Bytes of the program's last output that are kept."""

_SUBREAPER, _DEATH_SIGNAL = 36, 1


def main() -> None:
    """Run what the argument says."""
    spec = json.loads(sys.argv[1])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _prctl(_SUBREAPER, 1)
    told = _run(spec)
    _kill_all(None)
    if told["ended_by"] == "worker":
        shutil.rmtree(spec["folder"], ignore_errors=True)
    with suppress(BrokenPipeError):
        print(json.dumps(told), flush=True)  # noqa: T201 - its answer


def _run(spec: dict[str, Any]) -> dict[str, Any]:
    megabyte = 1 << 20
    memory, disk = spec["memory_mb"] * megabyte, spec["disk_mb"] * megabyte
    parent = os.getpid()

    def limit() -> None:
        # Address space is more than memory: the resident part is looked at from outside.
        for kind, value in (
            (resource.RLIMIT_AS, 2 * memory + 2048 * megabyte),
            (resource.RLIMIT_FSIZE, disk),
            (resource.RLIMIT_CORE, 0),
        ):
            highest = resource.getrlimit(kind)[1]
            if highest != resource.RLIM_INFINITY:
                value = min(value, highest)
            resource.setrlimit(kind, (value, value))
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _prctl(_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    end = time.monotonic() + spec["seconds"]
    try:
        program = subprocess.Popen(
            spec["command"],
            cwd=spec["folder"],
            env=spec["environment"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=limit,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return {"ended_by": "start", "code": None, "output": str(error)}
    assert program.stdout is not None  # noqa: S101 - for mypy
    output, tail = program.stdout.fileno(), b""
    os.set_blocking(output, False)
    ended_by, looks, next_look = "program", 0, 0.0
    while program.poll() is None:
        ready, _, _ = select.select([output, 0], [], [], _LOOK)
        tail = _read(output, tail) if output in ready else tail
        if 0 in ready and not os.read(0, 1):
            ended_by = "worker"
            break
        if time.monotonic() < next_look:
            continue
        if time.monotonic() > end:
            ended_by = "time"
        elif _memory() > memory:
            ended_by = "memory"
        elif looks % 5 == 0 and _size(spec["folder"]) > disk:
            ended_by = "disk"
        else:
            looks, next_look = looks + 1, time.monotonic() + _LOOK
            continue
        break
    if ended_by == "program" and _size(spec["folder"]) > disk:
        ended_by = "disk"
    _kill_all(program)
    tail = _read(output, tail)
    return {
        "ended_by": ended_by,
        "code": program.returncode,
        "output": tail.decode("utf-8", "replace"),
    }


def _read(output: int, tail: bytes) -> bytes:
    """Some of the output that waits; the last of it is kept."""
    for _ in range(16):
        try:
            read = os.read(output, 1 << 16)
        except BlockingIOError:
            break
        if not read:
            time.sleep(_LOOK)  # it was closed, which is no end
            break
        tail = (tail + read)[-_KEPT:]
    return tail


def _kill_all(program: subprocess.Popen[bytes] | None) -> None:
    """Kill all that there is below this process, until nothing is left; five seconds at most."""
    end = time.monotonic() + 5
    while True:
        if program is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(program.pid, signal.SIGKILL)
        found = list(_below())
        for process in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        if program is not None:
            with suppress(subprocess.TimeoutExpired):
                program.wait(timeout=1)
        # Orphans become children of this process, and are waited for.
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if not found or time.monotonic() > end:
            return
        time.sleep(0.01)


def _below() -> Iterator[int]:
    """The processes below this one; on other systems than Linux, none is found."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            # The name of a program may hold anything but ends with the last bracket.
            parent = int(stat.read_text("latin-1").rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    left = [os.getpid()]
    while left:
        for process in children.pop(left.pop(), []):
            left.append(process)
            yield process


def _memory() -> int:
    """Bytes of memory that the processes below this one hold."""
    pages = 0
    for process in _below():
        with suppress(OSError, ValueError, IndexError):
            pages += int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def _size(folder: str) -> int:
    """Bytes on disk of a folder's files."""
    total = 0
    for path, _, files in os.walk(folder, onerror=None):
        for file in files:
            with suppress(OSError):
                total += os.lstat(f"{path}/{file}").st_blocks * 512
    return total


def _prctl(option: int, value: int) -> None:
    prctl: Callable[..., int] | None = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    main()
