"""Two real PostgreSQL servers for the whole run, and fresh databases on them for each test."""

from __future__ import annotations

import fcntl
import itertools
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import psycopg
import pytest
from psycopg import sql

from runner.build import builds, transform
from runner.demo.embedded import EmbeddedPair
from runner.demo.embedded_system import INSTALLS
from runner.demo.platform import create_platform
from runner.deploy.deploy import deploy
from runner.progress import Advance
from runner.replication import sync
from runner.servers.contract import Table, read_contract
from runner.servers.database import Connection, Database
from runner.servers.sides import connected
from runner.settings import PROJECT

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest
    from histories import Histories

VERSION = int(os.environ.get("SIGNAL_MARTS_TEST_POSTGRES", "18"))
"""Version of the servers that tests run on: 18, 16, or one that is installed as Debian does, 15."""
INSTALLS.setdefault(VERSION, f"/usr/lib/postgresql/{VERSION}")

PARSE = "partial_parse.msgpack"
"""Where dbt keeps what it read of the project, in its output folder."""

_in_use: set[str] = set()
"""The replicas' databases of the landscapes that there are."""

_LONG = frozenset(
    f"test_{name}.py"
    for name in (
        "builds_at_once",
        "changes",
        "cli",
        "drills_replication",
        "rare_histories",
        "watch",
    )
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take minutes begin first: a worker with such a file would be alone at the end."""
    items.sort(key=lambda item: item.path.name not in _LONG)


# If pytest was started in the background, it and all its children would ignore SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def read_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """dbt, in all workers, reads the project once for a name of a database and of a schema.

    Otherwise dbt would read it for each server, login and output folder, with the same result.
    """
    from full_builds import FullBuild

    folder = _folder_of_the_run(tmp_path_factory)
    invoke = transform._invoke

    def read_by_one(environment: Mapping[str, str], names: Sequence[str]) -> Path:
        """What dbt read for these names, in whichever process came first."""
        read = folder / "-".join(names)
        with (
            read.with_suffix(".lock").open("w") as lock,
            pytest.MonkeyPatch.context() as patch,
        ):
            fcntl.flock(lock, fcntl.LOCK_EX)
            patch.setattr(transform, "PROJECT", PROJECT)  # and no copy that a test edits
            if not read.exists():
                target = read.with_suffix(".target")
                options = transform._options(target, names[1] or None)
                result = invoke(environment, ["parse", *options], lambda done, total, at: None)
                if result.success:
                    (target / PARSE).rename(read)
        return read

    def invoke_with_what_was_read(
        environment: Mapping[str, str],
        arguments: Sequence[str],
        advance: Advance,
        project: Manifest | None = None,
    ) -> Any:
        from dbt.parser import manifest  # takes seconds

        loader: Any = manifest.ManifestLoader  # one of its methods is replaced
        is_usable = loader.is_partial_parsable

        def is_usable_here(self: Any, found: Any) -> Any:
            found.state_check.profile_hash = self.manifest.state_check.profile_hash
            return is_usable(self, found)

        with pytest.MonkeyPatch.context() as patch:
            if project is None:
                names = [environment.get(name, "") for name in ("PGDATABASE", "DBT_SCHEMA_PREFIX")]
                read = read_by_one(environment, names)
                environment = {**environment, "DBT_PARTIAL_PARSE_FILE_PATH": str(read)}
                patch.setattr(loader, "is_partial_parsable", is_usable_here)
            result = invoke(environment, arguments, advance, project)
        if arguments[0] == "parse" and "--target-path" in arguments:
            written = Path(arguments[arguments.index("--target-path") + 1]) / PARSE
            if not written.exists():
                encoder = manifest.extended_mashumaro_encoder
                written.write_bytes(cast("Any", result.result).to_msgpack(encoder))
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transform, "_invoke", invoke_with_what_was_read)
        patch.setattr(FullBuild, "folder", folder)
        yield


def _folder_of_the_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all workers of a run have in common."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "read"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that the servers' system user can reach; pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="signal-marts-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def pair() -> Iterator[EmbeddedPair]:
    """The running pair. SIGNAL_MARTS_TEST_POSTGRES chooses its version."""
    from drills import servers

    with servers() as made:
        urls = made.urls()
        os.environ["PGPASSFILE"] = str(urls.passfile)
        # The platform before the first deploy, made once and copied for each test.
        with _database(urls.primary, "primary", "platform").connect() as connection:
            create_platform(connection)
        yield made


@dataclass
class Landscape:
    """A platform's database, a replica's, and the steps of tests on them."""

    primary: Database
    replica: Database
    reports: list[str] = field(default_factory=list)

    def deploy(self, *, resync: Sequence[str] | None = None) -> list[str]:
        """Deploy, and return the changes."""
        self.reports.clear()
        return deploy(
            Database("primary", self.primary.url),
            Database("replica", self.replica.url),
            lock_timeout=2,
            fence_timeout=60,
            report=self.reports.append,
            resync=resync,
        )

    def build(self, target: Path, *select: str) -> transform.Build:
        return builds.build(
            Database("primary", self.primary.url),
            Database("replica", self.replica.url),
            fence_timeout=60,
            advance=lambda done, total, at: None,
            select=select,
            target=target,
        )

    def execute(self, side: str, statement: str) -> list[tuple[object, ...]]:
        """Run a statement on a side, in a transaction of its own, and return its rows."""
        with getattr(self, side).connect() as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def on_primary(self, statement: str) -> list[tuple[object, ...]]:
        return self.execute("primary", statement)

    def on_replica(self, statement: str) -> list[tuple[object, ...]]:
        return self.execute("replica", statement)

    def differences(self, contract: Sequence[Table] | None = None) -> list[str]:
        """Published tables whose rows differ between the sides, by a hash of their contents."""
        with connected(self.primary, self.replica) as sides:
            return [
                table.qualified
                for table in contract or read_contract()
                if _content(sides.on_primary, table) != _content(sides.on_replica, table)
            ]


def _content(connection: Connection, table: Table) -> tuple[object, ...] | None:
    """Number of rows, and a hash of them, with the contract's types."""
    # A column of more decimals writes earlier replicated values with more zeros; in another
    # encoding a text has other bytes. A row writes its other values as replication sends them.
    written = {
        "numeric": "trim_scale({}::text::numeric)",
        "double precision": "{}::text::double precision",
    }
    statement = sql.SQL(
        "select count(*), coalesce(md5(string_agg(line, '' order by line)), '') from ("
        "select md5(convert_to(row({})::text, 'UTF8')) as line from {}) as t"
    ).format(
        sql.SQL(", ").join(
            sql.SQL(written.get(data_type, "{}")).format(sql.Identifier(name))
            for name, data_type in table.columns
        ),
        sql.Identifier(table.schema, table.name),
    )
    return connection.execute(statement).fetchone()


def _database(url: str, side: str, name: str, template: str = "template1") -> Database:
    with psycopg.connect(_renamed(url, "postgres"), autocommit=True) as connection:
        connection.execute(
            sql.SQL("create database {} template {}").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
    # A test need not name the schema public; the runner does: see Landscape.deploy.
    return Database(side, _renamed(url, name), search_path="public")


def _renamed(url: str, name: str) -> str:
    base, _, _ = url.rpartition("/")
    return f"{base}/{name}"


def _drop(landscape: Landscape) -> None:
    with connected(landscape.primary, landscape.replica) as sides:
        sync.remove(sides)
    for database in (landscape.primary, landscape.replica):
        name = database.parameters()["dbname"]
        with psycopg.connect(_renamed(database.url, "postgres"), autocommit=True) as connection:
            connection.execute(
                sql.SQL("drop database {} with (force)").format(sql.Identifier(name))
            )
        _in_use.discard(name)


def _landscape(pair: EmbeddedPair, replica_url: str) -> Landscape:
    # The same names again, as soon as these are gone: dbt reads the project for each (read_once).
    number = next(n for n in itertools.count(1) if f"analytics_{n}" not in _in_use)
    _in_use.add(f"analytics_{number}")
    return Landscape(
        _database(pair.urls().primary, "primary", f"trading_{number}", "platform"),
        _database(replica_url, "replica", f"analytics_{number}"),
    )


@pytest.fixture
def landscape(pair: EmbeddedPair) -> Iterator[Landscape]:
    """A platform with its data on the first server, an empty replica on the second."""
    made = _landscape(pair, pair.urls().replica)
    yield made
    _drop(made)


@pytest.fixture
def one_server(pair: EmbeddedPair) -> Iterator[Landscape]:
    """The same, with the replica's database on the platform's own server."""
    made = _landscape(pair, pair.urls().primary)
    yield made
    _drop(made)


@pytest.fixture
def deployed_primary(landscape: Landscape) -> Iterator[Connection]:
    """A connection to a platform's database that has the AI tables."""
    landscape.deploy()
    with landscape.primary.connect() as connection:
        yield connection


@pytest.fixture
def unused_port() -> Callable[[], int]:
    """Finds a free port of the loopback."""

    def find() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
            return port

    return find


@pytest.fixture(scope="module")
def own_pair() -> Iterator[EmbeddedPair]:
    """A pair of the module's own, in memory, whose servers may be killed."""
    from drills import servers

    with servers() as made:
        yield made


@pytest.fixture
def history(own_pair: EmbeddedPair) -> Iterator[Histories]:
    """A history that has not begun, on a platform of its own."""
    from histories import Histories

    Histories.pair = own_pair
    history = Histories()
    with history.closing:
        yield history
