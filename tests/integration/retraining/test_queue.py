"""The queue on a real server: the library's objects, who may ask, and jobs without a worker."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import psycopg
import pytest
import yaml
from ai_desk import Desk
from click.testing import CliRunner
from landscapes import Landscape, make_database, renamed
from psycopg import sql

from runner.cli import cli
from runner.client.records import Model
from runner.demo.embedded import EmbeddedPair
from runner.errors import UsageError
from runner.retraining import due, jobs, leases, queue
from runner.retraining.plan import Retraining
from runner.servers.database import Connection

NAME = "listener"

# All that belongs to procrastinate in the schema `retraining`, a row a thing.
CATALOG = """
with ours (oid, relname, relkind) as (
    select oid, relname, relkind from pg_class
    where relnamespace = 'retraining'::regnamespace and relname like '%procrastinate%'
)
select 'relation', relname, relkind::text from ours
union all
select 'column', o.relname || '.' || a.attname, concat_ws(
    ' ', format_type(a.atttypid, a.atttypmod), a.attnum, a.attnotnull, a.attidentity,
    pg_get_expr(d.adbin, d.adrelid)
)
from ours as o
inner join pg_attribute as a on o.oid = a.attrelid and a.attnum > 0
left join pg_attrdef as d on a.attrelid = d.adrelid and a.attnum = d.adnum
union all
select 'index', o.relname, pg_get_indexdef(o.oid) from ours as o where o.relkind = 'i'
union all
select 'constraint', o.relname || '.' || c.conname, pg_get_constraintdef(c.oid)
from ours as o inner join pg_constraint as c on o.oid = c.conrelid
union all
select 'trigger', o.relname || '.' || t.tgname, pg_get_triggerdef(t.oid)
from ours as o inner join pg_trigger as t on o.oid = t.tgrelid where not t.tgisinternal
union all
select 'function', oid::regprocedure::text, concat_ws(
    ' | ', pg_get_function_arguments(oid), pg_get_function_result(oid), provolatile,
    proisstrict, prosecdef, prosrc
)
from pg_proc where pronamespace = 'retraining'::regnamespace
union all
select 'enum', t.typname || '.' || e.enumlabel, e.enumsortorder::text
from pg_type as t inner join pg_enum as e on t.oid = e.enumtypid
where t.typnamespace = 'retraining'::regnamespace
"""


def objects(connection: Connection) -> set[tuple[str, ...]]:
    # Without it in the path, names are written with their schema, on both sides.
    connection.execute("set search_path = pg_catalog")
    found = {tuple(row) for row in connection.execute(CATALOG).fetchall()}
    # Indexes and sequences of our own tables, and functions of ours, are none of these.
    assert len(found) > 150
    return found


def test_the_objects_are_those_of_the_library(shared: Landscape, pair: EmbeddedPair) -> None:
    library = make_database(pair.urls().primary, "primary", "library")
    text = resources.files("procrastinate.sql").joinpath("schema.sql").read_text("utf-8")
    try:
        with library.connect() as connection:
            connection.execute("create schema retraining")
            connection.execute("set search_path = retraining")
            connection.execute(text.encode())
            expected = objects(connection)
        with shared.primary.connect() as connection:
            found = objects(connection)
            # And an index of ours.
            index = "idx_procrastinate_jobs_worker"
            ours = {each for each in found if each[1].split(".")[0] == index}
            assert found - ours == expected
            assert ("index", index) in {each[:2] for each in ours}
            unfixed = connection.execute(
                "select proname from pg_proc where pronamespace = 'retraining'::regnamespace"
                " and proconfig is distinct from %s",
                (["search_path=pg_catalog, retraining, pg_temp"],),
            ).fetchall()
            assert unfixed == []
    finally:
        with psycopg.connect(renamed(library.url, "postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("drop database library with (force)"))


def test_only_those_who_deploy_reach_it(shared: Landscape) -> None:
    for role in ("ai_writer", "ai_functions", "replicator"):
        # A function of ai_functions hands artifacts to modules.
        reads = [("artifacts",)] if role == "ai_functions" else []
        assert (
            shared.on_primary(
                "select relname::text from pg_class"
                " where relnamespace = 'retraining'::regnamespace and relkind = 'r'"
                f" and has_table_privilege('{role}', oid, 'select, insert, update, delete')"
            )
            == reads
        )
        assert shared.on_primary(
            f"select has_schema_privilege('{role}', 'retraining', 'usage')"
        ) == [(role == "ai_functions",)]
        assert shared.on_primary(
            f"select has_function_privilege('{role}', oid, 'execute') from pg_proc"
            " where proname = 'register_trained_ai_model'"
        ) == [(role == "ai_functions",)]


@pytest.fixture
def primary(desk: Desk) -> Iterator[Connection]:
    """A session of a worker or of who asks; the queue is empty, and model 'listener' there."""
    desk.look("delete from retraining.procrastinate_jobs; delete from retraining.artifacts")
    with desk.landscape.primary.connect(autocommit=True) as connection:
        connection.execute("set search_path = pg_catalog")
        yield connection


def states(connection: Connection) -> list[tuple[str, str | None]]:
    return [(job.state, job.outcome) for job in jobs.read(connection)]


def wait_for_death(connection: Connection) -> None:
    """The server notices a moment later that a session is gone."""
    for _ in range(3000):
        if any(state == "dead" for state, _ in states(connection)):
            return
        time.sleep(0.01)
    raise AssertionError("no job is dead")


def wait_for_waiter(desk: Desk, holder: Connection, waiter: threading.Thread) -> None:
    while not desk.look(
        "select 1 from pg_stat_activity where datname = current_database()"
        f" and {holder.info.backend_pid} = any(pg_blocking_pids(pid))"
    ):
        assert waiter.is_alive()


def test_one_waits_and_one_runs(primary: Connection) -> None:
    first = queue.ask(primary, NAME, "because")
    with pytest.raises(queue.RefusedError, match=f"retraining {first} of listener waits already"):
        queue.ask(primary, NAME, "because")
    job = leases.take(primary, [NAME])
    assert job is not None
    assert (job.id, job.model, job.reason) == (first, NAME, "because")
    second = queue.ask(primary, NAME, "because")
    assert leases.take(primary, [NAME]) is None, "one of a model runs at a time"
    assert leases.take(primary, []) is None
    assert [state for state, _ in states(primary)] == ["waiting", "running"]

    told = queue.cancel(primary, NAME)
    assert told == f"retraining {first} is ended; retraining {second} cancelled"
    assert leases.note_progress(primary, job, 0.5, "half") is True, "it is to be ended"
    leases.end(primary, job, "aborted", "cancelled")
    leases.release(primary, job)
    assert states(primary) == [("cancelled", "cancelled")] * 2
    assert queue.cancel(primary, NAME) is None
    with pytest.raises(jobs.LostError):
        leases.end(primary, job, "failed", "again")


def test_of_many_who_ask_at_once_one_is_heard(primary: Connection, desk: Desk) -> None:
    heard: list[object] = []
    barrier = threading.Barrier(8)

    def ask() -> None:
        with desk.landscape.primary.connect(autocommit=True) as connection:
            barrier.wait()
            try:
                heard.append(queue.ask(connection, NAME, "because"))
            except queue.RefusedError as error:
                heard.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(isinstance(each, int) for each in heard) == 1
    assert len(heard) == 8
    assert len(states(primary)) == 1


def test_a_job_is_dead_without_its_session(primary: Connection, desk: Desk) -> None:
    queue.ask(primary, NAME, "because")
    for death in (1, 2, 3):
        with desk.landscape.primary.connect(autocommit=True) as worker:
            job = leases.take(worker, [NAME])
            assert job is not None
            leases.begin(worker, job, 600)
            assert states(primary) == [("running", None)]
            assert leases.sweep(primary) == []
        wait_for_death(primary)
        (told,) = leases.sweep(primary)
        assert "its worker died" in told
        assert [each.deaths for each in jobs.read(primary)] == [death if death < 3 else 2]
        with pytest.raises(jobs.LostError):
            leases.note_progress(primary, job, 1, "too late")
    assert states(primary) == [("failed", "its worker died, as 2 times before")]


def test_no_other_login_holds_a_lease_before_its_worker(primary: Connection, desk: Desk) -> None:
    """Any session may take any advisory lock, if it knows the key."""
    queue.ask(primary, NAME, "because")
    (waiting,) = jobs.read(primary)
    with desk.landscape.primary.connect(autocommit=True) as other:
        for attempts in range(3):
            key = jobs.KEY.format(id=waiting.id, attempts=attempts, since="%s::timestamptz")
            for since in (waiting.since, waiting.queued_at):
                other.execute(f"select pg_advisory_lock({key})", (since,))
        job = leases.take(primary, [NAME])
        assert job is not None
        leases.begin(primary, job, 600)
        assert states(primary) == [("running", None)]
        leases.end(primary, job, "succeeded", "done")
        leases.release(primary, job)
    held = "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"
    assert primary.execute(held).fetchall() == [(0,)]


def test_no_state_is_without_end(primary: Connection, desk: Desk) -> None:
    queue.ask(primary, NAME, "because")
    desk.look("update retraining.jobs set deadline = now() - interval '1 hour'")
    (told,) = leases.sweep(primary)
    assert "no worker took it in time" in told
    assert [state for state, _ in states(primary)] == ["failed"]

    # A worker that stands still holds its lease, but not its job.
    queue.ask(primary, NAME, "because")
    with desk.landscape.primary.connect(autocommit=True) as worker:
        job = leases.take(worker, [NAME])
        assert job is not None
        leases.begin(worker, job, 600)
        desk.look("update retraining.jobs set deadline = now() - interval '1 hour'")
        (told,) = leases.sweep(primary)
        assert "its worker did not end it in time" in told
        again = leases.take(primary, [NAME])
        assert again is not None
        assert again.id == job.id
        with pytest.raises(jobs.LostError):
            leases.end(worker, job, "succeeded", "too late")
        leases.end(primary, again, "succeeded", "done")


def test_a_dead_job_gives_way_to_a_later_one(primary: Connection, desk: Desk) -> None:
    queue.ask(primary, NAME, "first")
    with desk.landscape.primary.connect(autocommit=True) as worker:
        assert leases.take(worker, [NAME]) is not None
        queue.ask(primary, NAME, "second")
    wait_for_death(primary)
    leases.sweep(primary)
    assert states(primary) == [("waiting", None), ("failed", "its worker died; a later one waits")]


def test_who_asks_waits_for_a_job_that_is_given_back(primary: Connection, desk: Desk) -> None:
    queue.ask(primary, NAME, "first")
    with desk.landscape.primary.connect(autocommit=True) as worker:
        job = leases.take(worker, [NAME])
        assert job is not None
        heard: list[Exception] = []

        def ask() -> None:
            try:
                queue.ask(primary, NAME, "second")
            except (queue.RefusedError, psycopg.Error) as error:
                heard.append(error)

        thread = threading.Thread(target=ask)
        # The two changes of `give_back`, and somebody who asks between them.
        with worker.transaction():
            worker.execute(
                "select retraining.procrastinate_retry_job_v2(%s, now(), null, null, null)",
                (job.id,),
            )
            thread.start()
            wait_for_waiter(desk, worker, thread)
            worker.execute("update retraining.jobs set deaths = 1 where id = %s", (job.id,))
        thread.join()
    (error,) = heard
    assert str(error) == f"the last retraining of {NAME} waits already again"
    assert states(primary) == [("waiting", None)]


def test_a_running_trial_is_not_replaced(primary: Connection, desk: Desk) -> None:
    desk.module.register_model(Model("sparse_spectrum", NAME, "2", {}))
    queue.check_trial(primary, NAME)  # by hand: it is no trial of ours
    desk.look(
        "update ai_model_stages set evidence = '{\"retraining_job\": 1}' where stage = 'shadow'"
    )
    with pytest.raises(queue.RefusedError, match="trial of listener 2 is not decided"):
        queue.ask(primary, NAME, "because")
    desk.look(
        "select set_ai_model_stage(id, 'champion', 'better') from ai_models where version = '2';"
        "select set_ai_model_stage(id, 'champion', 'worse') from ai_models where version = '1'"
    )
    queue.ask(primary, NAME, "because")  # that one was champion: its trial is decided


def test_a_version_of_somebody_else_gets_no_evidence(primary: Connection, desk: Desk) -> None:
    """A module registers the version that a retraining is about to, at the same moment."""
    found: list[object] = []

    def register() -> None:
        found.append(
            primary.execute(
                "select version, is_new from register_trained_ai_model(%s, '2025-06-01',"
                " '{\"ours\": 1}', '[]', 'because', '{\"retraining_job\": 1}', now(), 'c', 'a')",
                (NAME,),
            ).fetchone()
        )

    primary.execute("set search_path = public")
    thread = threading.Thread(target=register)
    with desk.landscape.primary.connect() as module:
        module.execute("set role ai_writer")
        module.execute("select register_ai_model('sparse_spectrum', %s, '2025-06-01.1')", (NAME,))
        thread.start()
        wait_for_waiter(desk, module, thread)
        module.commit()
    thread.join()
    assert found == [("2025-06-01.2", True)]
    assert desk.look(
        "select m.version, m.config, s.reason, s.artifact_hash from ai_models as m"
        " inner join ai_model_stages as s on s.model_id = m.id where m.version <> '1' order by m.id"
    ) == [
        ("2025-06-01.1", {}, "registered", None),
        ("2025-06-01.2", {"ours": 1}, "because", "a"),
    ]


def test_what_is_due_is_asked_for_once(primary: Connection, desk: Desk) -> None:
    told: list[str] = []
    plan = {NAME: Retraining(command=["true"], schedule="* * * * *", on_triggers=True)}
    replica = desk.landscape.replica
    now = primary.execute("select clock_timestamp()").fetchall()[0][0]
    due.ask_for_all(primary, replica, plan, told.append)
    assert len(told) == 1
    assert "queued: schedule of" in told[0]
    queue.cancel(primary, NAME)
    at = due.scheduled("* * * * *", now)
    assert queue.ask(primary, NAME, "schedule", newer_than=at) is None
    desk.look("delete from retraining.procrastinate_jobs")

    plan = {NAME: Retraining(command=["true"], on_triggers=True)}
    due.ask_for_all(primary, replica, plan, told.append)  # nothing was built
    assert len(told) == 1
    desk.landscape.on_replica(
        "create schema if not exists staging; create schema if not exists operations;"
        "create table staging.stg_ai__models as select 'listener'::text as model_name,"
        " timestamptz '2025-03-01' as created_at;"
        "create table operations.retraining_triggers as select 'listener'::text as model_name,"
        " timestamptz '2025-03-02' as available_at, '1'::text as model_version,"
        " 'loss'::text as reason;"
        "grant usage on schema staging, operations to transformer;"
        "grant select on staging.stg_ai__models, operations.retraining_triggers to transformer"
    )
    try:
        due.ask_for_all(primary, replica, plan, told.append)
        assert told[1:] == [told[-1]]
        assert told[-1].endswith("queued: alarm of version 1: loss")
        queue.cancel(primary, NAME)
        due.ask_for_all(primary, replica, plan, told.append)
        assert len(told) == 2, "it was asked for since"
        desk.look(f"update retraining.jobs set outcome = '{queue.REFUSED}: a trial runs'")
        due.ask_for_all(primary, replica, plan, told.append)
        assert len(told) == 3, "a trial ended it"
        desk.look("delete from retraining.procrastinate_jobs")
        desk.landscape.on_replica("update staging.stg_ai__models set created_at = now()")
        due.ask_for_all(primary, replica, plan, told.append)
        assert len(told) == 3, "a version was trained since"
    finally:
        desk.landscape.on_replica(
            "drop table staging.stg_ai__models; drop table operations.retraining_triggers"
        )


def test_the_command_asks_and_tells(
    primary: Connection, desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRIMARY_URL", desk.landscape.primary.url)
    monkeypatch.setenv("REPLICA_URL", desk.landscape.replica.url)
    file = tmp_path / "retraining.yml"
    file.write_text(yaml.safe_dump({NAME: {"command": ["true"]}, "nobody": {"command": ["true"]}}))
    monkeypatch.setenv("SIGNAL_MARTS_RETRAINING", str(file))

    def retrain(*options: str) -> tuple[str, str]:
        done = CliRunner().invoke(cli, ["retrain", *options])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.stdout, done.stderr

    for wrong, options in (
        ("either --model or --list", ()),
        ("does not say how other is retrained", ("--model", "other")),
        ("no model nobody", ("--model", "nobody")),
        ("is yet to come", ("--model", NAME, "--as-of", "9000-01-01")),
        ("give a reason", ("--model", NAME, "--reason", " ")),
    ):
        with pytest.raises(UsageError, match=wrong):
            retrain(*options)
    _, told = retrain("--model", NAME, "--reason", "new data", "--as-of", "2025-03-01T12:00:00Z")
    assert "of listener queued" in told
    with pytest.raises(queue.RefusedError, match="waits already") as refused:
        retrain("--model", NAME)
    assert refused.value.exit_code == 5
    (job,) = json.loads(retrain("--list", "--json")[0])
    assert (job["state"], job["reason"]) == ("waiting", "new data")
    assert job["as_of"] == "2025-03-01 12:00:00+00:00"
    assert "new data" in retrain("--list")[0]
    assert "cancelled" in retrain("--model", NAME, "--cancel")[1]
    assert "no retraining of listener waits" in retrain("--model", NAME, "--cancel")[1]


def test_a_name_without_champion_is_noted(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIMARY_URL", desk.landscape.primary.url)
    monkeypatch.setenv("REPLICA_URL", desk.landscape.replica.url)
    assert CliRunner().invoke(cli, ["models"], catch_exceptions=False).stderr == ""
    desk.module.register_model(Model("sparse_spectrum", NAME, "2", {}))
    retired = "select set_ai_model_stage(id, 'retired', 'worse') from ai_models"
    desk.look(f"{retired} where version = '1'")
    shown = CliRunner().invoke(cli, ["models"], catch_exceptions=False)
    assert "listener has no champion" in shown.stderr
    assert "no champion" not in shown.stdout
