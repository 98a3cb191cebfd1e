"""Drills: migrations that somebody else applied, stopped or changed; a deploy finds what is so."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import children
import pytest
from drills import eventually, heal, waits_for_lock
from landscapes import Landscape
from mortal_servers import landscape_on

from runner.demo.embedded import EmbeddedPair
from runner.deploy import migrations
from runner.servers.deploy_lock import LockedError, one_at_a_time
from runner.servers.sides import connected
from runner.settings import PROJECT


@pytest.fixture
def landscape(own_pair: EmbeddedPair) -> Iterator[Landscape]:
    """A platform with a few rows, before its first deploy."""
    with landscape_on(own_pair) as made:
        yield made


# --- what a plain yoyo leaves -----------------------------------------------------------------


def migrate(landscape: Landscape, folder: Path) -> list[str]:
    """Apply the migrations of a folder."""
    with one_at_a_time(landscape.primary) as session:
        return migrations.apply(
            landscape.primary, session, lock_timeout=2, report=lambda line: None, folder=folder
        )


def test_each_migration_may_be_committed_and_not_marked(
    landscape: Landscape, tmp_path: Path
) -> None:
    paths = [p for p in sorted(migrations.FOLDER.glob("*.sql")) if ".rollback" not in p.name]
    for path in paths:
        for file in (path, path.with_suffix(".rollback.sql")):
            shutil.copy(file, tmp_path)
        with landscape.primary.connect(autocommit=True, options="-c search_path=public") as by_hand:
            if "transactional: false" in path.read_text():
                # In a statement of its own, as yoyo runs it.
                by_hand.execute(path.read_text())
            else:
                with by_hand.transaction():
                    by_hand.execute(path.read_text())
        assert migrate(landscape, tmp_path) == [path.stem]
        assert migrate(landscape, tmp_path) == []
    heal(landscape)


def test_a_half_made_migration_is_not_taken_for_a_whole(landscape: Landscape) -> None:
    """Someone made a table of the name: that is no migration that was forgotten to be marked."""
    landscape.on_primary("create table ai_models (id bigint primary key)")
    with pytest.raises(migrations.MigrationError, match=r"0002_ai_models failed.*already exists"):
        landscape.deploy()


@contextmanager
def plain_yoyo(landscape: Landscape) -> Iterator[subprocess.Popen[str]]:
    with children.Popen(
        [str(Path(sys.executable).parent / "yoyo"), "apply", "--batch"],
        cwd=PROJECT,
        env=os.environ | {"PRIMARY_URL": landscape.primary.url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_a_plain_yoyo_is_killed_between_commit_and_mark(landscape: Landscape) -> None:
    migrate(landscape, migrations.FOLDER)
    with (
        connected(landscape.primary, landscape.replica) as sides,
        one_at_a_time(landscape.primary) as session,
    ):
        last = migrations.to_roll_back(sides.on_primary, 3)
        migrations.roll_back(
            landscape.primary, session, last, lock_timeout=2, report=lambda line: None
        )
    with (
        landscape.primary.connect() as blocker,
        landscape.primary.connect(autocommit=True) as watcher,
    ):
        blocker.execute("lock table _yoyo_migration in exclusive mode")
        with plain_yoyo(landscape) as yoyo:
            eventually(
                lambda: waits_for_lock(watcher, "_yoyo_migration") or yoyo.poll() is not None
            )
            # While it lives, its lock is respected.
            with pytest.raises(LockedError, match="yoyo's lock is held by process"):
                landscape.deploy()
            assert yoyo.poll() is None
            yoyo.kill()
            yoyo.wait()
    assert landscape.on_primary("select pid > 0 from yoyo_lock") == [(True,)]
    eventually(lambda: not sessions(landscape, "application_name = ''"))
    assert set(last) <= set(heal(landscape))
    assert landscape.on_primary("select * from yoyo_lock") == []


def sessions(landscape: Landscape, condition: str) -> list[tuple[object, ...]]:
    return landscape.on_primary(
        "select pid from pg_stat_activity where datname = current_database()"
        f" and backend_type = 'client backend' and pid <> pg_backend_pid() and {condition}"
    )


@pytest.mark.parametrize("pid", [424242, -424242])
def test_a_stale_lock_row_is_cleared(landscape: Landscape, pid: int) -> None:
    landscape.deploy()
    landscape.on_primary(
        "delete from _yoyo_migration where migration_id ~ '^0011';"
        f"insert into yoyo_lock values (1, now() at time zone 'UTC', {pid})"
    )
    heal(landscape)
    assert landscape.on_primary("select * from yoyo_lock") == []


# --- the ledger -------------------------------------------------------------------------------


def edit(folder: Path) -> None:
    with (folder / "0005_rl_training_episodes.sql").open("a") as file:
        file.write("-- a second thought\n")


def edit_rollback(folder: Path) -> None:
    with (folder / "0005_rl_training_episodes.rollback.sql").open("a") as file:
        file.write("-- a second thought\n")


def rename(folder: Path) -> None:
    for path in folder.glob("0007_spectrum_analysis*"):
        path.rename(path.with_name(path.name.replace("0007", "0006b")))
    (path,) = folder.glob("0008_market_bars.sql")
    path.write_text(path.read_text().replace("0007_", "0006b_"))


def delete(folder: Path) -> None:
    *_, last = sorted(folder.glob("*.rollback.sql"))
    last.unlink()
    last.with_name(last.name.replace(".rollback", "")).unlink()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (edit, r"0005_rl_training_episodes\.sql was edited"),
        (edit_rollback, r"0005_rl_training_episodes\.rollback\.sql was edited"),
        (rename, r"0007_spectrum_analysis\.sql was renamed to 0006b_spectrum_analysis\.sql"),
        (delete, r"\.sql is gone"),
    ],
)
def test_applied_migrations_are_not_to_change(
    landscape: Landscape, tmp_path: Path, change: Callable[[Path], None], told: str
) -> None:
    folder = tmp_path / "migrations"
    shutil.copytree(migrations.FOLDER, folder)
    migrate(landscape, folder)
    change(folder)
    with pytest.raises(migrations.LedgerError, match=told):
        migrate(landscape, folder)
    # The project's own are still right.
    assert migrate(landscape, migrations.FOLDER) == []
