"""Programs that tests start: none outlives its limit, even if the test waits for something else."""

from __future__ import annotations

import faulthandler
import gc
import inspect
import logging
import os
import signal
import subprocess
import sys
import threading
import traceback
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing import resource_tracker
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from runner.__main__ import main

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


class Forked(Popen):
    """``signal-marts`` with these arguments, in a process forked from this one.

    It has signals, streams, environment and an end of its own, as a new process would; but all is
    imported, and dbt's project read and compiled: that takes a new one up to ten seconds.
    """

    def __init__(self, *arguments: str, **options: Any) -> None:
        super().__init__(["signal-marts", *arguments], **options)

    def _execute_child(self, args: Sequence[str], *given: Any) -> None:
        parent: Any = subprocess.Popen
        parameters = inspect.signature(parent._execute_child).parameters
        options = dict(zip([*parameters][2:], given, strict=True))
        streams = [options[name] for name in ("p2cread", "c2pwrite", "errwrite")]
        self.pid = os.fork()
        if not self.pid:
            _become(args, options["cwd"], options["env"], streams)
        self._child_created = True
        ends = [*inspect.signature(parent._close_pipe_fds).parameters][1:]
        parent._close_pipe_fds(self, **{name: options[name] for name in ends})


def _become(
    arguments: Sequence[str],
    folder: Path | None,
    environment: Mapping[str, str] | None,
    streams: Sequence[int],
) -> NoReturn:
    """Be that program and end with it: nothing of what the tests do comes after this."""
    code: Any = 1
    try:
        gc.freeze()  # what the tests hold, such as sessions, is not ours to close
        os.setsid()
        for number, end in enumerate(streams):
            if end != -1:
                os.dup2(end, number)
        tracker: Any = resource_tracker.getfd()  # dbt's locks are told to it
        os.closerange(3, tracker)
        os.closerange(tracker + 1, os.sysconf("SC_OPEN_MAX"))
        if folder is not None:
            os.chdir(folder)
        if environment is not None:
            os.environ.clear()
            os.environ.update(environment)
        sys.argv = [*arguments]
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", buffering=1)  # noqa: SIM115
        faulthandler.enable()
        logging.getLogger().handlers.clear()
        warnings.simplefilter("ignore")
        main()
        code = 0
    except SystemExit as ended:
        code = 0 if ended.code is None else ended.code
        if isinstance(code, str):
            sys.stderr.write(f"{code}\n")
    except BaseException:
        traceback.print_exc()
    finally:
        threading._shutdown()  # type: ignore[attr-defined] # as Python ends: after all threads
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 1)


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
    done = completed(Popen(command, seconds=seconds, **options))
    if check:
        done.check_returncode()
    return done


def completed(started: Popen) -> subprocess.CompletedProcess[Any]:
    """The program when it has ended, and what it wrote."""
    with started as process:
        written, errors = process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, written, errors)
