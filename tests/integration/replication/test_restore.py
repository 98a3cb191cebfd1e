"""Drills: a server is lost with its disk, and the guide's own commands bring every mart back."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import children
import pytest
from drills import no_problem, wait
from landscapes import VERSION, Landscape
from mortal_servers import servers
from psycopg import sql
from replays import replay_market

from runner.demo.embedded import EmbeddedPair, EmbeddedServer
from runner.demo.embedded_system import find_install
from runner.demo.platform import create_platform
from runner.doctor.status import MART_SCHEMAS
from runner.servers.database import Database
from runner.settings import PROJECT

GUIDE = (PROJECT / "docs/backup.md").read_text("utf-8")
SAVE, RESTORE_PRIMARY, RESTORE_REPLICA = re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)
BINARIES = find_install(VERSION) / "bin"
WITHOUT_TESTS = "--exclude resource_type:test"

Rows = Counter[tuple[object, ...]]


@dataclass(frozen=True)
class Drill:
    """A pair on which everything is built, and a folder of backups that were made since."""

    pair: EmbeddedPair
    landscape: Landscape
    folder: Path

    def follow(self, commands: str) -> None:
        """Run commands of the guide, in the folder of backups; builds leave out the data tests."""
        commands = commands.replace("signal-marts build", f"signal-marts build {WITHOUT_TESTS}")
        path = f"{BINARIES}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = {**os.environ, **self.pair.environment(), "PATH": path}
        done = children.run(
            ["sh", "-e", "-c", commands],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def lose(self, server: EmbeddedServer) -> None:
        """Take a server away for good, and put an empty one in its place."""
        server.stop()
        shutil.rmtree(server.data)
        self.pair.up()

    def marts(self) -> dict[str, Rows]:
        """All rows of all marts, but of those that tell of the operation itself."""
        found = self.landscape.on_replica(
            "select table_schema, table_name from information_schema.tables"
            " where table_schema in ('ensemble', 'performance', 'training') order by 1, 2"
        )
        assert {schema for schema, _ in found} == {*MART_SCHEMAS} - {"operations"}
        return {f"{schema}.{name}": self._rows(str(schema), str(name)) for schema, name in found}

    def _rows(self, schema: str, name: str) -> Rows:
        with self.landscape.replica.connect() as connection:
            rows = connection.execute(
                sql.SQL("select * from {}").format(sql.Identifier(schema, name))
            )
            # The last digits of a sum of doubles depend on the order of its rows.
            return Counter(
                tuple(f"{each:.6g}" if isinstance(each, float) else each for each in row)
                for row in rows
            )

    def builds(self) -> list[tuple[object, ...]]:
        return self.landscape.on_replica("select * from changes.builds order by started_at")


@pytest.fixture(scope="module")
def drill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    with servers(VERSION) as pair:
        urls = pair.urls()
        landscape = Landscape(
            Database("primary", f"{urls.primary}?passfile={urls.passfile}", "public"),
            Database("replica", f"{urls.replica}?passfile={urls.passfile}", "public"),
        )
        with landscape.primary.connect() as connection:
            create_platform(connection)
        landscape.deploy()
        with landscape.primary.connect() as connection:
            replay_market(connection)
        made = Drill(pair, landscape, tmp_path_factory.mktemp("backup"))
        made.follow("signal-marts build")
        made.follow(SAVE)
        yield made


def test_a_lost_primary(drill: Drill) -> None:
    before = drill.marts()
    # On a good day nothing was revised.
    assert {name for name, rows in before.items() if not rows} <= {"ensemble.ensemble_revisions"}
    # Rows written after the backup reach the replica, and are lost.
    drill.landscape.on_primary("update trading_orders set fee = fee + 1")
    wait(drill.landscape)
    drill.lose(drill.pair.primary)
    drill.follow(RESTORE_PRIMARY)
    assert drill.landscape.differences() == []
    no_problem(drill.landscape)
    assert drill.marts() == before
    assert drill.landscape.deploy() == []


def test_a_lost_replica(drill: Drill) -> None:
    before, history = drill.marts(), drill.builds()
    drill.follow(SAVE)
    drill.lose(drill.pair.replica)
    drill.follow(RESTORE_REPLICA)
    assert drill.landscape.differences() == []
    no_problem(drill.landscape)
    assert drill.marts() == before
    assert drill.builds()[: len(history)] == history
