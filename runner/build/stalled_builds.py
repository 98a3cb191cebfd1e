"""An end for builds in which work was lost: dbt alone would wait for it for ever.

dbt hands models and tests to a pool of threads and waits until each was reported done. Python's
pool does not replace a thread that dies, and does not report an error outside of a task: dbt then
waits although all other work is done, and the runner keeps the lock of builds.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty
from typing import Any

from runner.errors import SignalMartsError

# For so many seconds in a row no thread was at work and no task was reported done. Seconds in which
# the machine slept do not count.
_PATIENCE = 60


class StalledError(SignalMartsError):
    """Nobody works any more on what is not done."""


@contextmanager
def ending_when_stalled() -> Iterator[None]:
    """Let dbt, in this process, raise StalledError where it would wait for work that was lost."""
    from dbt.graph.queue import GraphQueue
    from dbt.task.runnable import GraphRunnableTask

    # Three of their methods are replaced.
    task: Any = GraphRunnableTask
    queue: Any = GraphQueue
    call_runner, get, join = task.call_runner, queue.get, queue.join
    at_work: set[threading.Thread] = set()
    errors: list[str] = []

    def call_and_tell(self: Any, runner: Any) -> Any:
        thread = threading.current_thread()
        at_work.add(thread)
        try:
            return call_runner(self, runner)
        except BaseException as error:
            errors.append(f"{runner.node.name}: {error!r}")
            raise
        finally:
            at_work.discard(thread)

    def be_patient(self: Any, idle: int) -> int:
        """Seconds without work, after one more second in which no task was reported done."""
        if any(thread.is_alive() for thread in at_work):
            return 0
        if idle + 1 < _PATIENCE:
            return idle + 1
        lost = ", ".join(sorted(id_.split(".")[2] for id_ in self.in_progress))
        why = f" ({'; '.join(errors)})" if errors else ""
        raise StalledError(
            f"dbt works on nothing and waits for what was lost: {lost}{why}; what was built"
            " before stays, and the next build makes up for the rest"
        )

    def get_or_raise(self: Any) -> Any:
        idle = 0
        while True:
            try:
                return get(self, timeout=1)
            except Empty:
                idle = be_patient(self, idle)

    def join_or_raise(self: Any) -> None:
        idle = 0
        with self.some_task_done:
            while self.inner.unfinished_tasks:
                idle = 0 if self.some_task_done.wait(timeout=1) else be_patient(self, idle)

    task.call_runner, queue.get, queue.join = call_and_tell, get_or_raise, join_or_raise
    try:
        yield
    finally:
        task.call_runner, queue.get, queue.join = call_runner, get, join
