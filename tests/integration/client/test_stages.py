"""Stages of versions: one champion a name, whoever races, and no plan from a forecast in shadow."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import psycopg
import pytest
from ai_desk import AT, MODEL, Desk
from click.testing import CliRunner
from drills import eventually, waits_for_lock

from runner.cli import cli
from runner.client import Model, ShadowSignalError
from runner.errors import UsageError
from runner.retraining import stages
from runner.retraining.stages import STAGES
from runner.retraining.trials import Trial, decide
from runner.servers.planted import PlantedError

LATER = AT + timedelta(days=1)


def newer(version: str) -> Model:
    return Model(MODEL.model_type, MODEL.model_name, version)


def set_stage(desk: Desk, version: str, stage: stages.Stage, reason: str = "a test") -> bool:
    with desk.landscape.primary.connect() as connection:
        return stages.set_stage(connection, MODEL.model_name, version, stage, reason)


def now(desk: Desk) -> dict[str, str]:
    with desk.landscape.primary.connect() as connection:
        return {each.version: each.stage for each in stages.read(connection)}


def test_the_first_version_decides_and_later_ones_wait(desk: Desk) -> None:
    desk.module.register_model(newer("2"), at=LATER)
    desk.module.register_model(newer("3"), at=LATER)
    desk.module.register_model(Model("supervised", "another", "one"))
    of_another = {"one": "champion"}
    assert now(desk) == {"1": "champion", "2": "shadow", "3": "shadow"} | of_another
    assert set_stage(desk, "2", "champion", "it is better")
    assert not set_stage(desk, "2", "champion")
    assert now(desk) == {"1": "shadow", "2": "champion", "3": "shadow"} | of_another
    assert set_stage(desk, "3", "retired")
    history = desk.look(
        "select m.version, s.stage, s.reason from ai_model_stages as s"
        " inner join ai_models as m on s.model_id = m.id where m.model_name = 'listener'"
        " order by s.id"
    )
    assert history == [
        ("1", "champion", "registered"),
        ("2", "shadow", "registered"),
        ("3", "shadow", "registered"),
        ("1", "shadow", "replaced by version 2: it is better"),
        ("2", "champion", "it is better"),
        ("3", "retired", "a test"),
    ]


def test_whoever_writes_a_version_does_not_choose_its_stage(desk: Desk) -> None:
    desk.look(
        "insert into ai_models (model_type, model_name, version, stage)"
        " values ('supervised', 'listener', '2', 'champion')"
    )
    assert now(desk) == {"1": "champion", "2": "shadow"}
    with pytest.raises(psycopg.errors.UniqueViolation, match="ai_models_champion_key"):
        desk.look("update ai_models set stage = 'champion'")


def test_a_forecast_in_shadow_becomes_no_plan(desk: Desk) -> None:
    shadow = desk.module.register_model(newer("2"))
    of_champion = desk.module.store_ai_signal(desk.signal())
    of_shadow, other = (
        desk.module.store_ai_signal(replace(desk.signal(), model_id=shadow)) for _ in range(2)
    )
    refused = "is of listener version 2, whose stage is shadow: it becomes no plan"
    with pytest.raises(ShadowSignalError, match=refused):
        desk.module.create_trade_plan_from_ai_signal(of_shadow, at=AT)
    with pytest.raises(ShadowSignalError, match=refused):
        desk.module.record_execution(of_shadow, at=AT)
    for statement in (
        f"update ai_trading_signals set status = 'EXECUTED' where id = {of_shadow}",
        "insert into ai_trading_signals (model_id, symbol, signal_type, confidence, status)"
        f" values ({shadow}, 'BTCUSD', 'BUY', 0.5, 'EXECUTED')",
    ):
        with pytest.raises(psycopg.Error) as caught:
            desk.look(statement)
        assert caught.value.sqlstate == "SM012"
    assert desk.look("select count(*) from trade_plans where strategy = 'ai'") == [(0,)]
    # What an old store tells of the past is stored; a signal may expire.
    desk.look(
        "insert into ai_trading_signals"
        " (model_id, symbol, signal_type, confidence, status, imported_at)"
        f" values ({shadow}, 'BTCUSD', 'BUY', 0.5, 'EXECUTED', now())"
    )
    desk.look(f"update ai_trading_signals set status = 'EXPIRED' where id = {other}")

    assert desk.module.create_trade_plan_from_ai_signal(of_champion, at=AT) is not None
    set_stage(desk, "2", "champion")
    assert desk.module.create_trade_plan_from_ai_signal(of_shadow, at=AT) is not None
    # What became a plan stays one.
    set_stage(desk, "2", "retired")
    assert desk.module.create_trade_plan_from_ai_signal(of_shadow, at=AT) is not None


def test_a_plan_and_a_change_of_stage_wait_for_each_other(desk: Desk) -> None:
    desk.module.register_model(newer("2"))
    first, second = (desk.module.store_ai_signal(desk.signal()) for _ in range(2))
    with desk.landscape.primary.connect() as planning, desk.landscape.primary.connect() as look:
        plan = "select create_trade_plan_from_ai_signal(%s, %s)"
        planning.execute(plan, (first, AT))
        promotion = threading.Thread(target=set_stage, args=(desk, "2", "champion"))
        promotion.start()
        eventually(lambda: waits_for_lock(look, "set_ai_model_stage"))
        planning.commit()
        promotion.join(timeout=60)
    assert now(desk) == {"1": "shadow", "2": "champion"}

    with desk.landscape.primary.connect() as promoting, desk.landscape.primary.connect() as look:
        stages.set_stage(promoting, MODEL.model_name, "1", "champion", "a test")
        stages.set_stage(promoting, MODEL.model_name, "2", "champion", "a test")
        refused: list[str] = []

        def try_to_plan() -> None:
            with pytest.raises(ShadowSignalError) as caught:
                desk.module.create_trade_plan_from_ai_signal(second, at=AT)
            refused.append(str(caught.value))

        attempt = threading.Thread(target=try_to_plan)
        attempt.start()
        eventually(lambda: waits_for_lock(look, "create_trade_plan_from_ai_signal"))
        promoting.commit()
        attempt.join(timeout=60)
    assert refused


def test_never_two_champions_whoever_races_and_dies(desk: Desk) -> None:
    """Versions are registered, promoted and retired at once, and sessions are killed meanwhile."""
    names = ("listener", "a", "b")

    def race(seed: int) -> None:
        random = Random(seed)
        for _ in range(25):
            with (
                contextlib.suppress(psycopg.Error),
                desk.landscape.primary.connect(autocommit=True, application="race") as connection,
            ):
                name, version = random.choice(names), str(random.randrange(4))
                if random.random() < 0.4:
                    connection.execute(
                        "select register_ai_model('supervised', %s, %s)", (name, version)
                    )
                elif random.random() < 0.3:
                    connection.execute(
                        "select pg_terminate_backend(pid) from pg_stat_activity"
                        " where application_name = 'race' and pid <> pg_backend_pid()"
                        " and datname = current_database() order by random() limit 1"
                    )
                else:
                    with contextlib.suppress(UsageError):
                        stages.set_stage(connection, name, version, random.choice(STAGES), "a race")

    racers = [threading.Thread(target=race, args=(seed,)) for seed in range(8)]
    for racer in racers:
        racer.start()
    with desk.landscape.primary.connect(autocommit=True) as look:
        most = 0
        while any(racer.is_alive() for racer in racers):
            row = look.execute(
                "select max(number) from (select count(*) as number from ai_models"
                " where stage = 'champion' group by model_name) as champions"
            ).fetchone()
            most = max(most, (row and row[0]) or 0)
    for racer in racers:
        racer.join(timeout=60)
    assert most == 1
    # A version's stage is that of its last row, and each has one.
    assert (
        desk.look(
            "select m.id from ai_models as m where m.stage is distinct from (select s.stage"
            " from ai_model_stages as s where s.model_id = m.id order by s.since desc, s.id desc"
            " limit 1)"
        )
        == []
    )
    assert desk.look("select count(*) > 1 from ai_model_stages") == [(True,)]


def test_a_retired_champion_leaves_its_place_empty(desk: Desk) -> None:
    """What a module registers next, perhaps on the same night, does not decide at once."""
    set_stage(desk, "1", "retired", "it loses")
    desk.module.register_model(newer("2"))
    assert now(desk) == {"1": "retired", "2": "shadow"}


def test_no_module_holds_up_a_change_of_stage(desk: Desk) -> None:
    """A version of the future, any login's advisory lock, and an open registration."""
    desk.module.register_model(newer("2"), at=datetime(2190, 1, 1, tzinfo=UTC))
    assert desk.look("select bool_and(since <= now()) from ai_model_stages") == [(True,)]
    with desk.landscape.primary.connect() as other:
        other.execute("set local role ai_writer")
        other.execute("select pg_advisory_xact_lock(hashtextextended('ai_models listener', 0))")
        other.execute("select register_ai_model('supervised', 'listener', '3')")
        assert set_stage(desk, "1", "retired")
        desk.module.register_model(newer("4"))
    assert now(desk) == {"1": "retired", "2": "shadow", "3": "shadow", "4": "shadow"}


def test_a_trial_of_another_champion_decides_nothing(desk: Desk) -> None:
    for version in ("2", "3"):
        desk.module.register_model(newer(version))
    ids = dict(desk.look("select version, id from ai_models"))
    set_stage(desk, "2", "champion")
    told: list[str] = []
    for verdict in ("better", "unproven"):
        trial = Trial(
            model_name="listener",
            challenger_id=ids["3"],
            challenger_version="3",
            champion_id=ids["1"],
            champion_version="1",
            clusters=9,
            challenger_outcomes=120,
            loss_difference=0.1,
            e_value=2.0,
            highest_e_value=2.0,
            proven_date=None,
            first_date="2025-01-01",
            deadline_date="2025-06-30",
            verdict=verdict,
            available_at=AT,
        )
        with desk.landscape.primary.connect(autocommit=True) as connection:
            assert not decide(connection, trial, told.append)
    assert (
        told == ["listener 3: nothing done: stages of listener changed since this was decided"] * 2
    )
    assert now(desk) == {"1": "shadow", "2": "champion", "3": "shadow"}


def test_a_view_in_place_of_a_table_is_not_read(desk: Desk) -> None:
    """A table's owner could have its function run with the rights of the login that deploys."""
    with desk.landscape.primary.connect() as connection:
        connection.execute("set local role migrator")
        connection.execute("alter table ai_model_stages rename to former")
        connection.execute("create view ai_model_stages as select * from former")
        connection.execute("reset role")
        with pytest.raises(PlantedError, match="no plain table"):
            stages.read(connection)
        connection.rollback()


def test_there_is_no_such_model(desk: Desk) -> None:
    with pytest.raises(psycopg.Error) as caught:
        desk.look("select set_ai_model_stage(-1, 'champion', 'nobody')")
    assert caught.value.sqlstate == "SM013"


def test_imported_versions_counted_in_their_store(desk: Desk) -> None:
    """All of them, until the import; from then on, one decides."""
    for version in ("old", "newer", "old"):
        desk.module.import_model(newer(version))
    history = desk.look(
        "select m.version, s.stage, s.reason, s.since < now() - interval '10 years'"
        " from ai_model_stages as s inner join ai_models as m on s.model_id = m.id"
        " where m.version <> '1' order by m.id, s.since"
    )
    counted = "imported, as it counted in its store"
    assert history == [
        ("old", "champion", counted, True),
        ("old", "shadow", "registered", False),
        ("newer", "champion", counted, True),
        ("newer", "shadow", "registered", False),
    ]
    assert now(desk) == {"1": "champion", "old": "shadow", "newer": "shadow"}


def test_the_commands(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIMARY_URL", desk.landscape.primary.url)
    monkeypatch.setenv("REPLICA_URL", desk.landscape.replica.url)
    desk.module.register_model(newer("2"))

    def run(*arguments: str) -> str:
        done = CliRunner().invoke(cli, arguments)
        return f"{done.stdout}{done.stderr}{done.exception or ''}"

    assert "listener 2 is champion" in run("stage", "listener", "2", "champion", "--reason", "test")
    assert "listener 2 is champion, as it was" in run(
        "stage", "listener", "2", "champion", "--reason", "test"
    )
    assert "there is no model listener 3; registered are: listener 1, listener 2" in run(
        "stage", "listener", "3", "shadow", "--reason", "test"
    )
    assert "give a reason" in run("stage", "listener", "2", "shadow", "--reason", " ")
    listed = run("models")
    assert "champion" in listed
    assert "replaced by version 2: test" in listed


def test_a_module_reads_what_a_training_made(desk: Desk) -> None:
    with desk.landscape.primary.connect() as connection:
        connection.execute(
            "insert into retraining.artifacts (sha256, content)"
            " values (encode(sha256('learned'), 'hex'), 'learned')"
        )
        connection.execute(
            "update ai_model_stages set artifact_hash = encode(sha256('learned'), 'hex')"
            " where model_id = (select id from ai_models where model_name = %s and version = %s)",
            (MODEL.model_name, MODEL.version),
        )
    assert desk.module.model_artifact(MODEL.model_name, MODEL.version) == b"learned"
    assert desk.module.model_artifact(MODEL.model_name, "of nobody") is None
