"""Builds that end before all is done: they say so, leave no row, and let go of the lock."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import children
from conftest import Landscape

from runner import builds
from runner.settings import PROJECT
from runner.status import status

MODEL = "stg_platform__trade_plans"
SIGNAL_MARTS = (sys.executable, "-m", "runner")
# As a shell starts what is to run in the background.
IN_BACKGROUND = ("sh", "-c", 'trap "" INT; exec "$@"', "sh", *SIGNAL_MARTS)

LOSING_A_THREAD = """
call_runner = task.call_runner
def lose(self, runner):
    done = call_runner(self, runner)
    if runner.node.name == model:
        raise SystemExit
    return done
task.call_runner = lose
"""
LOSING_A_RESULT = """
handle = task._handle_result
def lose(self, result):
    if result.node.name == model:
        raise MemoryError("no room for it")
    handle(self, result)
task._handle_result = lose
"""
BUILD = f"""
from dbt.task.runnable import GraphRunnableTask as task
from runner import cli, stalled_builds
model = {MODEL!r}
stalled_builds._PATIENCE = 3
%s
cli.main()
"""


def environment(landscape: Landscape, folder: Path) -> dict[str, str]:
    return os.environ | {
        "PRIMARY_URL": landscape.primary.url,
        "REPLICA_URL": landscape.replica.url,
        "DBT_TARGET_PATH": str(folder),
        "DBT_LOG_PATH": str(folder / "logs"),
    }


def test_an_interrupted_build_leaves_no_row(landscape: Landscape, tmp_path: Path) -> None:
    landscape.deploy()
    for program, number in ((SIGNAL_MARTS, signal.SIGINT), (IN_BACKGROUND, signal.SIGTERM)):
        with children.Popen(
            [*program, "build"],
            env=environment(landscape, tmp_path),
            cwd=PROJECT,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr is not None
            assert "building:" in process.stderr.readline()
            process.send_signal(number)
            told = process.stderr.read()
        assert process.returncode == 130, told
        assert told.endswith("stopped\n")
        assert status(landscape.primary, landscape.replica).last_builds == ()


def test_a_build_whose_work_was_lost_ends(landscape: Landscape, tmp_path: Path) -> None:
    """Where dbt would wait for a thread that died, or for what raised on its way back."""
    landscape.deploy()
    for lose in (LOSING_A_THREAD, LOSING_A_RESULT):
        done = children.run(
            [sys.executable, "-c", BUILD % lose, "build", "--select", MODEL],
            env=environment(landscape, tmp_path),
            cwd=PROJECT,
            seconds=200,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1, done.stderr
        assert f"waits for what was lost: {MODEL}" in done.stderr
        with builds.one_build(landscape.replica, "build"):
            pass
    # What the model wrote before it was lost stays, and the next build goes on from it.
    built = landscape.build(tmp_path, MODEL)
    assert built.failures == ()
