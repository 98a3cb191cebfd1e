"""Builds of the runner and of dbt alone at the same time, and of two versions of the project."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import children
import pytest
from drills import eventually, plain_dbt, running, wait, waits_for_lock
from histories import Histories, build, place_order, plain_build

from runner.build import builds, transform
from runner.servers.deploy_lock import LockedError
from runner.settings import PROJECT

pytestmark = pytest.mark.timeout(1200)  # builds, and builds in full to compare them with

ADD_MODEL = (
    "insert into ai_models (id, model_type, model_name, version, created_at)"
    " values (%s, 'genetic_optimization', 'one of many', %s, '2025-03-01Z')"
)


def test_a_parent_is_built_beside_its_child(history: Histories) -> None:
    """Nothing keeps a plain dbt build and another one apart: a parent waits until what reads it is
    done, as else that would have read more than it accounts for."""
    history.connection.execute(
        """
        delete from trading_orders;

        insert into ai_models (id, model_type, model_name, version, created_at)
        values (1, 'genetic_optimization', 'comes and goes', '1', '2025-03-01Z')
        """
    )
    place_order(history, None, "BUY", 100, "2025-03-02 12:00Z", "2025-03-02 12:00Z")
    history.compare()

    history.connection.execute(
        """
        update trading_orders set filled_price = 101;

        insert into ai_trading_signals
            (model_id, symbol, signal_type, confidence, created_at, expires_at)
        values (1, 'BTCUSD', 'BUY', 0.5, '2025-03-02Z', '2025-03-03Z')
        """
    )
    build(history, "stg_platform__trading_orders")
    with history.landscape.replica.connect() as blocker:
        blocker.execute("lock table staging.stg_platform__trading_orders")
        both = [
            plain_build(history, blocker, model)
            for model in ("int_orders_matched_as_of", "stg_ai__trading_signals")
        ]
    assert [each.wait() for each in both] == [0, 0]

    # The signal that the child may have read leaves the order alone.
    history.connection.execute(
        "update ai_trading_signals set created_at = '2025-03-05Z', expires_at = '2025-03-06Z'"
    )
    history.compare()


def test_a_decision_is_published_once(history: Histories) -> None:
    """By whichever of two builds comes first, though nothing keeps plain dbt builds apart."""

    def numbers() -> list[tuple[object, ...]]:
        return history.landscape.on_replica(
            "select count(*), count(distinct (symbol, decided_at))"
            " from ensemble.ensemble_publications"
        )

    def add(symbol: str) -> None:
        history.connection.execute(
            """
            insert into market_bars
            select %(symbol)s, '1h', opened_at, 100, 101, 99,
                100 + extract(hour from opened_at) / 24, 1
            from generate_series(timestamptz '2025-03-01Z', '2025-03-02Z', '1 hour') as opened_at
            """,
            {"symbol": symbol},
        )
        history.connection.execute(
            """
            insert into micro_patterns
                (symbol, timeframe, pattern_type, confidence, signal, created_at)
            values (%(symbol)s, '1h', 'doji', 0.5, 'BUY', '2025-03-01 01:00Z')
            """,
            {"symbol": symbol},
        )

    add("BTCUSD")
    build(history)
    assert numbers() == [(1, 1)]
    add("ETHUSD")
    build(history, "+ensemble_decisions", exclude=["ensemble_publications"])
    assert numbers() == [(1, 1)]
    with history.landscape.replica.connect() as blocker:
        blocker.execute("lock table ensemble.ensemble_decisions")
        both = [
            plain_build(history, blocker, "ensemble_publications", number=number)
            for number in (1, 2)
        ]
    assert [each.wait() for each in both] == [0, 0]
    assert numbers() == [(2, 2)]


def test_a_plain_build_beside_the_runner(history: Histories) -> None:
    """A model of staging waits while the runner builds, which reads as of an earlier moment; the
    runner waits for one that is being built."""
    orders = "stg_platform__trading_orders"
    history.compare()
    replica = history.landscape.replica
    before = number_of_orders(history)
    with replica.connect() as watcher:
        with builds.frozen(replica, timeout=60) as environment:
            place_order(history, None, "BUY", 100, "2025-03-02 12:00Z", "2025-03-02 12:00Z")
            wait(history.landscape)
            plain = plain_build(history, watcher, orders)
            build_at(history, environment, orders)
            assert number_of_orders(history) == before
            assert plain.poll() is None
        assert plain.wait() == 0
    assert number_of_orders(history) == before + 1

    with replica.connect() as blocker:
        blocker.execute(f"lock table staging.{orders}")
        plain = plain_build(history, blocker, orders)
        with pytest.raises(LockedError, match="plain dbt"), builds.frozen(replica, timeout=0.1):
            pass
    assert plain.wait() == 0
    history.compare()


def test_a_table_is_truncated_while_a_build_runs(history: Histories) -> None:
    """A transaction of before sees no row of it: the model fails, and the next build makes up."""
    orders = "stg_platform__trading_orders"
    order = (history, None, "BUY", 100, "2025-03-02 12:00Z", "2025-03-02 12:00Z")
    place_order(*order)
    build(history, orders)
    before = number_of_orders(history)
    with builds.frozen(history.landscape.replica, timeout=60) as environment:
        history.connection.execute("truncate trading_orders")
        place_order(*order)
        wait(history.landscape)
        for full_refresh in (False, True):
            with pytest.raises(AssertionError, match="written while this build ran"):
                build_at(history, environment, orders, full_refresh=full_refresh)
    assert number_of_orders(history) == before > 0
    build(history, orders)
    assert number_of_orders(history) == 1


def test_full_builds_where_a_killed_one_left_a_table(history: Histories) -> None:
    """dbt drops it before anything else, and holds it from then on."""
    replica = history.landscape.replica
    build(history, "stg_ai__models")
    history.landscape.on_replica(
        "create table staging.stg_ai__models__dbt_backup ();"
        "alter table staging.stg_ai__models__dbt_backup owner to transformer"
    )
    with replica.connect() as watcher:
        with builds.frozen(replica, timeout=60) as environment:
            plain = plain_build(history, watcher, "stg_ai__models", "--full-refresh")
            build_at(history, environment, "stg_ai__models", full_refresh=True)
        assert plain.wait() == 0


def build_at(
    history: Histories, moment: Mapping[str, str], model: str, *, full_refresh: bool = False
) -> None:
    """Build a model as the runner does at a moment that it froze."""
    built = transform.build(
        moment,
        advance=lambda done, total, at: None,
        select=[model],
        full_refresh=full_refresh,
        target=history.folder,
        tests=False,
        project=history.project(),
    )
    assert not built.failures, "\n".join(str(failure.message) for failure in built.failures)


def test_plain_builds_of_two_versions(history: Histories, tmp_path: Path) -> None:
    """The one that waited for the other asks only then whether it may go by changes."""
    other = other_version(
        tmp_path,
        "models/staging/ai/stg_ai__models.sql",
        "cast(version as {{ dbt.type_string() }})",
        "cast(version || '+' as {{ dbt.type_string() }})",
    )
    history.connection.execute(ADD_MODEL, (1, "1"))
    wait(history.landscape)
    with history.landscape.replica.connect() as blocker:
        assert plain_build(history, blocker, "stg_ai__models", project=other).wait() == 0
        blocker.execute(
            "select from changes.relations where relation = 'staging.stg_ai__models' for update"
        )
        both = [
            plain_build(history, blocker, "stg_ai__models", project=project, number=number)
            for number, project in enumerate((PROJECT, other), start=1)
        ]
        history.connection.execute(ADD_MODEL, (2, "2"))
        wait(history.landscape)
    assert [each.wait() for each in both] == [0, 0]
    history.compare()


def test_a_model_that_goes_and_returns(history: Histories, tmp_path: Path) -> None:
    """Another version of the project has it elsewhere; its readers remember what they read here."""
    for id_ in (1, 2, 3):
        history.connection.execute(ADD_MODEL, (id_, str(id_)))
        build(history)
    other = other_version(tmp_path, "dbt_project.yml", "+schema: staging", "+schema: elsewhere")
    with history.landscape.replica.connect() as watcher:
        assert plain_build(history, watcher, "stg_ai__models", project=other).wait() == 0
        elsewhere = (
            "select count(*) from pg_class where relnamespace = 'changes'::regnamespace"
            " and relname like '%elsewhere\\_\\_stg\\_ai\\_\\_models' and relkind in ('r', 'p')"
        )
        assert watcher.execute(elsewhere).fetchone() == (2,)
        # What is locked is another version's, which is at work, and waited for by nobody.
        watcher.execute("lock table changes.lock__elsewhere__stg_ai__models in row share mode")
        history.connection.execute("update ai_models set version = '4' where id = 3")
        build(history, "stg_ai__models")
        assert watcher.execute(elsewhere).fetchone() == (2,)
        watcher.rollback()
        build(history, "stg_ai__models")
        assert watcher.execute(elsewhere).fetchone() == (0,)
    history.connection.execute("update ai_models set version = '5' where id = 2")
    history.compare()


def other_version(folder: Path, file: str, old: str, new: str) -> Path:
    """A copy of the project in which a file says something else."""
    project = folder / "project"
    shutil.copytree(PROJECT, project, ignore=shutil.ignore_patterns(".*", "target", "logs"))
    text = (project / file).read_text()
    assert old in text
    (project / file).write_text(text.replace(old, new))
    return project


def test_an_empty_build_is_refused(history: Histories) -> None:
    told = children.run(
        plain_dbt(history.parsed("empty"), "--empty"),
        cwd=PROJECT,
        env=os.environ | history.landscape.replica.environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert told.returncode == 2
    assert "with --empty, tables would lose rows" in told.stdout
    assert history.landscape.on_replica("select to_regclass('changes.relations')::text") == [
        (None,)
    ]


def test_full_builds_are_of_one_moment(history: Histories) -> None:
    """What arrives while a build is at work is read by the next one, in full or not."""
    history.compare()
    before = number_of_orders(history)
    with (
        history.landscape.replica.connect() as blocker,
        running(
            history.landscape,
            *("build", "--full-refresh", "--select", "stg_platform__trading_orders"),
            target=history.parsed_for_builds("full"),
        ) as runner,
    ):
        blocker.execute("lock table changes.relations")
        eventually(lambda: runner.ended() or waits_for_lock(blocker, "%"), seconds=200)
        place_order(history, None, "BUY", 100, "2025-03-02 12:00Z", "2025-03-02 12:00Z")
        wait(history.landscape)
        blocker.rollback()
        assert runner.finish()[0] == 0
    assert number_of_orders(history) == before
    history.compare()
    assert number_of_orders(history) == before + 1


def number_of_orders(history: Histories) -> int:
    (count,) = history.landscape.on_replica(
        "select count(*)::integer from staging.stg_platform__trading_orders"
    )[0]
    assert isinstance(count, int)
    return count
