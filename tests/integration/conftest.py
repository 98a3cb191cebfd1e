"""Two real PostgreSQL servers for the whole run, and fresh databases on them for each test."""

from __future__ import annotations

import fcntl
import functools
import gc
import itertools
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
import read_projects
import sqlparse
import yoyo.migrations
from advised import advised, observed  # noqa: F401 - fixtures
from ai_desk import desk, module, primary, shared  # noqa: F401 - fixtures
from busy_trading import busy, traded  # noqa: F401 - fixtures
from costed import costs, views  # noqa: F401 - fixtures
from embedded_servers import made_pair, public_home  # noqa: F401 - fixtures
from landscapes import PARSE, Landscape, drop_landscape, make_database, make_landscape
from mortal_servers import bare, mortals, servers  # noqa: F401 - fixtures

from runner.build import transform
from runner.demo.embedded import EmbeddedPair
from runner.demo.platform import create_platform
from runner.deploy import migration_rules
from runner.platform import mapping
from runner.progress import Advance
from runner.servers.database import Connection
from runner.settings import PROJECT

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest
    from histories import Histories

# Files that take longest, in this order.
_LONG = (
    *("changes", "builds_at_once", "closed_builds", "rejected_rows", "rare_histories", "cli"),
    *("adopt", "code_versions", "watch", "ensemble", "delivery", "drills_replication"),
    *("drills_servers", "pages", "archive", "health", "dashboard", "freqtrade", "guide", "wheel"),
    *("worker", "kinds_of_models", "faults_of_setup"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take minutes begin first, and those of seconds, the unit tests, are last: a worker
    with a long file would be alone at the end."""
    order = {f"test_{name}.py": number for number, name in enumerate(_LONG)}
    items.sort(key=lambda item: (order.get(item.path.name, len(_LONG)), "unit" in item.path.parts))


# Projects as dbt read them that a worker keeps: some 30 MB each.
_PROJECTS = 4

# If pytest was started in the background, it and all its children would ignore SIGINT.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def read_once(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """dbt, in all workers and until a file of it changes, reads the project once, and a worker's
    builds share what was read, as those of a watch do.

    Otherwise dbt would read it for each server, login and output folder, with the same result, and
    write it as artifacts, which takes half of a small build's time. A test that reads artifacts
    sets DBT_WRITE_JSON.
    """
    from full_builds import FullBuild

    folder = _folder_of_the_run(tmp_path_factory)
    cache = pytestconfig.cache
    invoke = transform._invoke
    projects: dict[tuple[str, ...], Manifest] = {}

    def read_by_one(environment: Mapping[str, str], names: Sequence[str]) -> Path:
        """What dbt read for these names, in whichever process came first."""
        read, whole = folder / "-".join(names), folder / read_projects.DATABASE
        with whole.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not whole.exists():
                read_whole(environment, whole)
            if whole.exists() and not read.exists():
                read.write_bytes(read_projects.renamed(whole.read_bytes(), *names))
        return read

    def read_whole(environment: Mapping[str, str], whole: Path) -> None:
        """Read it once for all names: that takes ten seconds."""
        kept = None if cache is None else cache.mkdir("read-project") / "project"
        digest = read_projects.digest()
        if kept is not None and kept.exists():
            written = kept.read_bytes()
            if written.startswith(digest):
                whole.write_bytes(written.removeprefix(digest))
                return
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(transform, "PROJECT", PROJECT)  # and no copy that a test edits
            target = whole.with_suffix(".target")
            environment = {**environment, "PGDATABASE": read_projects.DATABASE}
            result = invoke(
                environment, ["parse", *transform._options(target)], lambda done, total, at: None
            )
        if result.success:
            (target / PARSE).rename(whole)
            if kept is not None:
                new = kept.with_suffix(f".{os.getpid()}")  # another run may read the old one
                new.write_bytes(digest + whole.read_bytes())
                new.rename(kept)

    def invoke_with_what_was_read(
        environment: Mapping[str, str],
        arguments: Sequence[str],
        advance: Advance,
        project: Manifest | None = None,
    ) -> Any:
        if project is not None:
            return invoke(environment, arguments, advance, project)
        names = [environment.get(name, "") for name in ("PGDATABASE", "DBT_SCHEMA_PREFIX")]
        if arguments[0] in ("build", "run") and vars(transform)["PROJECT"] is PROJECT:
            environment = {"DBT_WRITE_JSON": os.environ.get("DBT_WRITE_JSON", "no"), **environment}
            return invoke(environment, arguments, advance, shared_project(environment, names))
        return invoke_with_file(environment, arguments, advance, names)

    def shared_project(environment: Mapping[str, str], names: Sequence[str]) -> Manifest:
        """What dbt read for these names and the types of the platform's keys."""
        key = (*names, *itertools.chain(*mapping.variables(mapping.read()).items()))
        if key not in projects:
            if len(projects) == _PROJECTS:
                projects.pop(next(iter(projects)))
            target = folder / f"shared-{os.getpid()}"
            arguments = ["parse", *transform._options(target, names[1] or None)]
            result = invoke_with_file(environment, arguments, lambda done, total, at: None, names)
            projects[key] = cast("Manifest", result.result)
            # Else the collector looks at all of it time and again: a tenth of a build's time.
            gc.collect()
            gc.freeze()
        return projects[key]

    def invoke_with_file(
        environment: Mapping[str, str],
        arguments: Sequence[str],
        advance: Advance,
        names: Sequence[str],
    ) -> Any:
        from dbt.parser import manifest  # takes seconds

        loader: Any = manifest.ManifestLoader  # one of its methods is replaced
        is_usable = loader.is_partial_parsable

        def is_usable_here(self: Any, found: Any) -> Any:
            found.state_check.profile_hash = self.manifest.state_check.profile_hash
            found.state_check.vars_hash = self.manifest.state_check.vars_hash  # the target's name
            return is_usable(self, found)

        with pytest.MonkeyPatch.context() as patch:
            read = read_by_one(environment, names)
            environment = {**environment, "DBT_PARTIAL_PARSE_FILE_PATH": str(read)}
            patch.setattr(loader, "is_partial_parsable", is_usable_here)
            result = invoke(environment, arguments, advance)
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


@pytest.fixture(scope="session", autouse=True)
def migrations_read_once() -> Iterator[None]:
    """A text of migrations is cut into statements once: that is half of a deploy's own work."""
    split = functools.cache(lambda text: tuple(sqlparse.split(text)))
    statements = functools.cache(lambda text: tuple(cut(text)))
    cut = migration_rules._statements
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migration_rules, "_statements", statements)
        patch.setattr(yoyo.migrations, "sqlparse", SimpleNamespace(split=lambda s: [*split(s)]))
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
    with servers() as made:
        urls = made.urls()
        os.environ["PGPASSFILE"] = str(urls.passfile)
        # The platform before the first deploy, made once and copied for each test.
        with make_database(urls.primary, "primary", "platform").connect() as connection:
            create_platform(connection)
        yield made


@pytest.fixture
def landscape(pair: EmbeddedPair) -> Iterator[Landscape]:
    """A platform with its data on the first server, an empty replica on the second."""
    made = make_landscape(pair, pair.urls().replica)
    yield made
    drop_landscape(made)


@pytest.fixture
def one_server(pair: EmbeddedPair) -> Iterator[Landscape]:
    """The same, with the replica's database on the platform's own server."""
    made = make_landscape(pair, pair.urls().primary)
    yield made
    drop_landscape(made)


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
