"""Builds that end before all is done: they say so, leave no row, and let go of the lock."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import children
import pytest
from drills import eventually, read_project_for_builds
from landscapes import Landscape

from runner.build import builds
from runner.doctor.status import status
from runner.servers import role_logins
from runner.servers.database import Database
from runner.settings import PROJECT

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
from runner import cli
from runner.build import stalled_builds
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
    read_project_for_builds(landscape.replica, tmp_path)
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
    read_project_for_builds(landscape.replica, tmp_path)
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


def test_a_reader_holds_up_a_build_for_a_while_and_is_named(
    landscape: Landscape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = (
        "update changes.relations set definition = 'older'"
        " where relation = 'training.training_runs'"
    )
    landscape.deploy()
    assert landscape.build(tmp_path, "+training_runs").failures == ()
    landscape.on_replica(older)
    replica = Database("replica", landscape.replica.url)
    ((before,),) = landscape.on_replica("select 'training.training_runs'::regclass::oid::bigint")
    monkeypatch.setenv("SIGNAL_MARTS_HELD_TIMEOUT", "0.1")
    reader = role_logins.as_role(replica, "bi_reader")
    with reader.connect(application="a chart") as chart:
        # Its login's own limits do not end it.
        chart.execute("select from training.training_runs limit 1")
        (failed,) = landscape.build(tmp_path, "training_runs").failures
        assert (
            f'"training"."training_runs" is held by server process {chart.info.backend_pid}'
            f" (login {chart.info.user}, application a chart)"
        ) in failed.message
        assert f"pg_terminate_backend({chart.info.backend_pid})" in failed.message
        assert landscape.on_replica("select 'training.training_runs'::regclass::oid::bigint") == [
            (before,)
        ]
        with builds.one_build(replica, "build"):
            pass
    # A build is waited for as long as it takes, wait after wait.
    builder = role_logins.as_role(replica, "transformer")
    with (
        ThreadPoolExecutor() as threads,
        landscape.replica.connect(autocommit=True) as watcher,
        builder.connect(application="dbt") as other,
    ):
        other.execute("select from training.training_runs limit 1")
        building = threads.submit(landscape.build, tmp_path, "training_runs")
        waits: set[object] = set()

        def has_waited_again() -> bool:
            waits.update(
                watcher.execute(
                    "select waitstart from pg_locks where waitstart is not null"
                    " and relation = 'training.training_runs'::regclass"
                ).fetchall()
            )
            return len(waits) > 2 or building.done()

        eventually(has_waited_again)
        other.rollback()
        assert building.result(timeout=60).failures == ()
    assert landscape.on_replica("select 'training.training_runs'::regclass::oid::bigint") != [
        (before,)
    ]
