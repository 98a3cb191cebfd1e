"""The worker on real servers: trainers that fail, and workers that are killed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import children
import pytest
import yaml
from landscapes import Landscape, drop_landscape, make_landscape

from runner.demo.embedded import EmbeddedPair
from runner.doctor.status import status
from runner.retraining import jobs, plan, queue
from runner.retraining.jobs import Job
from runner.retraining.worker import Worker
from runner.servers.database import Database
from runner.settings import PROJECT

pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.timeout(900),
]

NAME = "breeder"
TRAINER = Path(__file__).with_name("some_trainer.py")
KILLS = int(os.environ.get("SIGNAL_MARTS_TEST_KILLS", "15"))
MODEL = (
    "insert into ai_models (model_type, model_name, version, config, created_at)"
    f" values ('genetic_optimization', '{NAME}', '1', '{{}}', '2025-03-01')"
)


@pytest.fixture(scope="module")
def built(pair: EmbeddedPair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Landscape]:
    """A platform with the models that a training set is read from, and one version of a model."""
    made = make_landscape(pair, pair.urls().replica)
    made.deploy()
    made.on_primary(MODEL)
    made.on_primary(
        "insert into market_bars select 'X', '1h', '2025-03-01Z'::timestamptz + n * interval '1 h',"
        " close, close, close, close, 1 from generate_series(1, 400) as n"
        " cross join lateral (select round(100 + 5 * sin(n / 10.0)::numeric, 2) as close) as closes"
    )
    marts = ("+signal_outcomes", "+price_bars", "path:models/staging")
    assert not made.build(tmp_path_factory.mktemp("target"), *marts).failures
    yield made
    drop_landscape(made)


@dataclass
class Shop:
    """Where models are retrained: databases, a plan, and what the worker said."""

    landscape: Landscape
    folder: Path
    said: list[str]

    def __post_init__(self) -> None:
        self.primary = Database("primary", self.landscape.primary.url)
        self.replica = Database("replica", self.landscape.replica.url)

    def plan(self, options: Mapping[str, Any], **limits: Any) -> Path:
        file = self.folder / "retraining.yml"
        command = [sys.executable, str(TRAINER)]
        how = {"command": command, "seed": 7, "options": dict(options), **limits}
        file.write_text(yaml.safe_dump({NAME: how}), "utf-8")
        return file

    def ask(self, as_of: datetime | None = None) -> int:
        with self.primary.connect(autocommit=True) as connection:
            number = queue.ask(connection, NAME, "because", as_of)
        assert number is not None
        return number

    def run(self, options: Mapping[str, Any], **limits: Any) -> Job:
        """A job, asked for and run."""
        number = self.ask()
        self.work(self.plan(options, **limits))
        return self.job(number)

    def work(self, file: Path) -> None:
        """Run what waits, as a plan says."""
        found, stop = plan.read(file), threading.Event()
        Worker(self.primary, self.replica, found, stop, self.said.append).run(once=True)

    def job(self, number: int) -> Job:
        return next(job for job in self.jobs() if job.id == number)

    def jobs(self) -> list[Job]:
        with self.primary.connect(autocommit=True) as connection:
            return jobs.read(connection, 10_000)

    def versions(self) -> list[tuple[object, ...]]:
        return self.landscape.on_primary(
            f"select version, stage from ai_models where model_name = '{NAME}' order by id"
        )

    def start(self, **options: Any) -> children.Popen:
        """The command `worker`, as a process of its own."""
        return children.Popen(
            [sys.executable, "-m", "runner", "worker"],
            seconds=300,
            env=os.environ
            | {
                "PYTHONPATH": str(PROJECT),
                "PRIMARY_URL": self.primary.url,
                "REPLICA_URL": self.replica.url,
                "SIGNAL_MARTS_RETRAINING": str(self.folder / "retraining.yml"),
                "TMPDIR": str(self.folder),
            },
            **options,
        )


@pytest.fixture
def shop(built: Landscape, tmp_path: Path) -> Shop:
    built.on_primary(
        "delete from retraining.procrastinate_jobs; delete from genetic_generations;"
        " delete from spectrum_analysis;"
        f" delete from ai_models where model_name = '{NAME}'; {MODEL};"
        " delete from retraining.artifacts"
    )
    return Shop(built, tmp_path, [])


def decided(shop: Shop) -> None:
    """The trial of the last version ends."""
    shop.landscape.on_primary(
        "select set_ai_model_stage(id, 'retired', 'unproven') from ai_models"
        f" where model_name = '{NAME}' and stage = 'shadow'"
    )


def test_a_training_makes_a_version(shop: Shop) -> None:
    job = shop.run({"do": "learn"})
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    assert (job.state, job.version) == ("done", f"{job.since:%Y-%m-%d}.1"), job.outcome
    assert job.outcome == f"registered version {job.version}"
    assert str(job.version)[:4] == day[:4]
    assert shop.versions() == [("1", "champion"), (job.version, "shadow")]
    ((reason, evidence, cut, code, artifact, config),) = shop.landscape.on_primary(
        "select s.reason, s.evidence, s.data_cut, s.code_hash, s.artifact_hash, m.config"
        " from ai_model_stages as s inner join ai_models as m on s.model_id = m.id"
        f" where m.version = '{job.version}'"
    )
    assert isinstance(evidence, dict)
    assert isinstance(config, dict)
    assert reason == "retrained: because"
    assert evidence["retraining_job"] == job.id
    assert artifact == hashlib.sha256(b"weights").hexdigest()
    assert len(str(code)) == 64
    assert config["steps"] == 1
    trained = config["retraining"]
    assert (trained["seed"], trained["training_set"]) == (7, evidence["training_set"])
    assert trained["last_version"] == "1"
    assert cut == datetime.fromisoformat(trained["as_of"])
    assert shop.landscape.on_primary("select sha256, content from retraining.artifacts") == [
        (artifact, b"weights")
    ]
    assert shop.landscape.on_primary(
        "select m.version, g.generation_number, g.best_fitness from genetic_generations as g"
        " inner join ai_models as m on g.model_id = m.id order by 2"
    ) == [(job.version, 1, 1.5), (job.version, 2, 1.5)]

    with pytest.raises(queue.RefusedError, match="is not decided"):
        shop.ask()
    decided(shop)
    again = shop.run({"do": "learn"})
    assert again.state == "done"
    assert again.outcome == f"the same as version {job.version}: nothing was registered"
    other = shop.run({"do": "learn", "steps": 2})
    assert other.outcome == f"registered version {other.version}"
    assert str(other.version).endswith(".2")


def test_an_entry_point_is_a_trainer_as_well(shop: Shop) -> None:
    shop.landscape.on_primary(
        f"update ai_models set model_type = 'sparse_spectrum' where model_name = '{NAME}'"
    )
    file = shop.folder / "retraining.yml"
    file.write_text(yaml.safe_dump({NAME: {"trainer": "spectrum"}}), "utf-8")
    number = shop.ask(datetime(2025, 3, 17, 12, tzinfo=UTC))
    shop.work(file)
    job = shop.job(number)
    assert job.outcome == "registered version 2025-03-17.1"
    assert shop.landscape.on_primary("select distinct symbol from spectrum_analysis") == [("X",)]


def test_a_trial_that_began_meanwhile_is_not_replaced(shop: Shop) -> None:
    number = shop.ask()
    shop.landscape.on_primary(
        "insert into ai_models (model_type, model_name, version)"
        f" values ('genetic_optimization', '{NAME}', '2');"
        " update ai_model_stages set evidence = '{\"retraining_job\": 1}' where stage = 'shadow'"
    )
    shop.work(shop.plan({"do": "learn"}))
    job = shop.job(number)
    assert job.state == "cancelled"
    assert f"the trial of {NAME} 2 is not decided" in str(job.outcome)


FAILURES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"do": "raise"}, {}, "ValueError: no such luck"),
    (
        {"do": "hang", "started": "started"},
        {"timeout_minutes": 0.02},
        "longer than timeout_minutes",
    ),
    ({"do": "eat memory"}, {"memory_mb": 100}, "more than 100 MB of memory"),
    ({"do": "eat disk"}, {"disk_mb": 20}, "more than 20 MB"),
    ({"do": "big file"}, {"disk_mb": 20}, "OSError|more than 20 MB"),
    ({"do": "print"}, {}, "exit code 3; its output ends with:[^!]*the last words"),
    ({"do": "", "candidate": "no JSON"}, {}, "candidate.json is no JSON"),
    ({"do": "", "candidate": '{"config": {"a": NaN}}'}, {}, "NaN is no number of JSON"),
    ({"do": "", "candidate": "[" * 100_000}, {}, "candidate.json is no JSON"),
    ({"do": "", "candidate": '{"config": []}'}, {}, "config of candidate.json is no object"),
    ({"do": "", "candidate": '{"config": {"retraining": 1}}'}, {}, "which is ours"),
    ({"do": "", "candidate": '{"config": {}, "more": 1}'}, {}, "config and records alone"),
    (
        {"do": "", "candidate": '{"config": {}, "records": [{"generation_number": 1}]}'},
        {},
        "record 0: missing",
    ),
    ({"do": "", "candidate": '{"config": {}, "records": [{"x": 1}]}'}, {}, "'x' is none of"),
]


@pytest.mark.parametrize(("options", "limits", "told"), FAILURES)
def test_a_trainer_that_fails_leaves_its_words(
    shop: Shop, options: dict[str, Any], limits: dict[str, Any], told: str
) -> None:
    job = shop.run(options, **limits)
    assert job.state == "failed"
    assert re.search(told, str(job.outcome)), job.outcome
    assert shop.versions() == [("1", "champion")]
    assert shop.landscape.on_primary("select count(*) from retraining.artifacts") == [(0,)]


def problems(shop: Shop) -> list[str]:
    found = status(shop.primary, shop.replica)
    return [each for each in found.problems if each.startswith("retraining")]


def test_after_a_failure_the_queue_goes_on(shop: Shop) -> None:
    failed = shop.run({"do": "raise"})
    assert failed.state == "failed"
    (told,) = problems(shop)
    assert (
        f"retraining {failed.id} of {NAME} failed: the trainer failed: it ended with exit" in told
    )
    assert shop.run({"do": "learn"}).state == "done"
    assert problems(shop) == []


def test_a_command_that_is_gone_is_told(shop: Shop) -> None:
    shop.ask()
    program = shop.folder / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    file = shop.plan({}, command=[str(program)])
    found = plan.read(file)
    program.unlink()
    Worker(shop.primary, shop.replica, found, threading.Event(), shop.said.append).run(once=True)
    (job,) = shop.jobs()
    assert job.state == "failed"
    assert "cannot be started" in str(job.outcome)


def is_running(process: int) -> bool:
    """Whether it is there, and no zombie."""
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_nothing_of_a_trainer_is_left(shop: Shop) -> None:
    """Nor what left its session and its parent."""
    pid = shop.folder / "pid"
    job = shop.run({"do": "daemon", "pid": str(pid)})
    assert job.state == "done", job.outcome
    assert not is_running(int(pid.read_text()))


def test_a_trainer_that_kills_its_supervisor_holds_nobody_up(shop: Shop) -> None:
    pid = shop.folder / "pid"
    job = shop.run({"do": "kill its supervisor", "pid": str(pid)})
    left = int(pid.read_text())
    try:
        assert job.state == "failed"
        assert "its supervisor was killed" in str(job.outcome)
        assert is_running(left), "its end was not waited for"
    finally:
        os.kill(left, signal.SIGKILL)


def test_marts_that_are_locked_hold_nobody_up(shop: Shop) -> None:
    with shop.landscape.replica.connect() as locking:
        locking.execute("lock table staging.stg_ai__trading_signals in access exclusive mode")
        job = shop.run({"do": "learn"}, timeout_minutes=0.02)
    assert job.state == "failed"
    assert "longer than timeout_minutes" in str(job.outcome)


def test_a_trainer_sees_no_secret(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIMARY_URL", shop.primary.url)
    monkeypatch.setenv("MY_SECRET", "word")
    seen = shop.folder / "seen"
    shop.run({"do": "look", "seen": str(seen)})
    environment = json.loads(seen.read_text())
    assert {"PRIMARY_URL", "MY_SECRET", "PGPASSFILE"}.isdisjoint(environment)
    assert {"PATH", "HOME", "TMPDIR"} <= environment.keys()
    assert not Path(environment["HOME"]).exists(), "its folder is gone"


def wait_for(what: Any, process: children.Popen | None = None) -> None:
    for _ in range(3000):
        if what():
            return
        assert process is None or process.poll() is None, "the worker ended"
        time.sleep(0.02)
    raise AssertionError("it did not come")


def test_a_stopped_worker_gives_its_job_back(shop: Shop) -> None:
    started = shop.folder / "started"
    shop.plan({"do": "hang", "started": str(started)})
    number = shop.ask()
    with shop.start(stderr=-1, text=True) as process:
        wait_for(started.exists, process)
        wait_for(lambda: shop.job(number).doing == "half of it", process)
        assert (shop.job(number).state, shop.job(number).done) == ("running", 0.5)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate()
    assert process.returncode == 0, errors
    job = shop.job(number)
    assert (job.state, job.deaths) == ("waiting", 0)
    assert job.outcome == "its worker was stopped"
    assert not list(shop.folder.glob("signal-marts-retraining-*"))


def test_a_worker_stops_while_its_training_set_is_read(shop: Shop) -> None:
    shop.plan({"do": "learn"})
    number = shop.ask()
    with shop.replica.connect() as other:
        other.execute("lock table staging.stg_ai__trading_signals in access exclusive mode")
        with shop.start(stderr=-1, text=True) as process:
            wait_for(
                lambda: shop.landscape.on_replica(
                    "select 1 from pg_stat_activity"
                    f" where {other.info.backend_pid} = any(pg_blocking_pids(pid))"
                ),
                process,
            )
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate()
    assert process.returncode == 0, errors
    job = shop.job(number)
    assert (job.state, job.deaths, job.outcome) == ("waiting", 0, "its worker was stopped")


def test_a_killed_worker_takes_its_trainer_along(shop: Shop) -> None:
    started = shop.folder / "started"
    shop.plan({"do": "hang", "started": str(started)})
    number = shop.ask()
    with shop.start() as process:
        wait_for(lambda: started.exists() and started.read_text(), process)
        process.send_signal(signal.SIGKILL)
    wait_for(lambda: not is_running(int(started.read_text())))
    wait_for(lambda: not list(shop.folder.glob("signal-marts-retraining-*")))
    wait_for(lambda: shop.job(number).state == "dead")
    (told,) = problems(shop)
    assert "is dead: its worker is gone" in told
    shop.work(shop.plan({"do": "learn"}))
    job = shop.job(number)
    assert (job.state, job.deaths) == ("done", 1)


def test_a_running_job_can_be_cancelled(shop: Shop) -> None:
    started = shop.folder / "started"
    shop.plan({"do": "hang", "started": str(started)})
    number = shop.ask()
    with shop.start() as process:
        wait_for(started.exists, process)
        with shop.primary.connect(autocommit=True) as connection:
            assert queue.cancel(connection, NAME) == f"retraining {number} is ended"
        wait_for(lambda: shop.job(number).state == "cancelled", process)
        process.send_signal(signal.SIGTERM)
    assert shop.job(number).outcome == "cancelled"


def test_a_worker_that_loses_its_session_registers_nothing(shop: Shop) -> None:
    started = shop.folder / "started"
    shop.plan({"do": "hang", "started": str(started)})
    number = shop.ask()
    with shop.start(stderr=-1, text=True) as process:
        wait_for(started.exists, process)
        shop.plan({"do": "learn"})
        shop.landscape.on_primary(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name = 'signal-marts worker'"
            " and datname = current_database()"
        )
        # The same worker takes it again, with the plan that it has read.
        wait_for(lambda: shop.job(number).deaths == 1, process)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate()
    assert "the primary cannot be used" in errors
    assert shop.versions() == [("1", "champion")]


def check_versions(shop: Shop) -> None:
    """Never two champions, nor a version that is registered in part."""
    assert shop.landscape.on_primary(
        "select count(*) from ai_models as m"
        f" where m.model_name = '{NAME}' and m.version <> '1' and not ("
        " exists (select from retraining.jobs as j"
        "  inner join retraining.procrastinate_jobs as p on j.id = p.id"
        "  where j.model_id = m.id and p.status = 'succeeded')"
        " and (select count(*) from genetic_generations as g where g.model_id = m.id) = 2"
        " and exists (select from ai_model_stages as s"
        "  inner join retraining.artifacts as a on s.artifact_hash = a.sha256"
        "  where s.model_id = m.id and s.evidence ? 'retraining_job'))"
    ) == [(0,)]
    assert shop.landscape.on_primary(
        f"select count(*) from ai_models where model_name = '{NAME}' and stage = 'champion'"
    ) == [(1,)]


@pytest.mark.timeout(600 + 4 * KILLS)
def test_kills_at_any_moment(shop: Shop) -> None:
    """Two workers, of which one is killed again and again, and versions promoted meanwhile."""
    random = Random(int(os.environ.get("SIGNAL_MARTS_SEED", "0")))
    fleet: list[children.Popen] = []
    steps = 0
    try:
        for _ in range(KILLS):
            steps += 1
            shop.plan({"do": "learn", "steps": steps})
            with suppress(queue.RefusedError):
                shop.ask()
            while len(fleet) < 2:
                fleet.append(shop.start())
            time.sleep(random.uniform(0.0, 1.5))
            if random.random() < 0.5:
                stage = random.choice(("champion", "retired"))
                shop.landscape.on_primary(
                    f"select set_ai_model_stage(id, '{stage}', 'drill') from ai_models"
                    f" where model_name = '{NAME}' and stage = 'shadow' order by id desc limit 1"
                )
            victim = fleet.pop(random.randrange(2))
            victim.send_signal(random.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM)))
            victim.wait()
            check_versions(shop)
        with shop.start() as last:
            wait_for(
                lambda: all(job.state not in ("waiting", "running", "dead") for job in shop.jobs()),
                last,
            )
    finally:
        for process in fleet:
            with process:
                process.kill()
    check_versions(shop)
    found = shop.jobs()
    assert len(found) >= 2
    assert {job.state for job in found} <= {"done", "failed", "cancelled"}
    assert all(job.outcome for job in found)
    assert any(job.state == "done" for job in found)
