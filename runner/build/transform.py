"""dbt, in process. Every call of it is here, since its results change with its major version.

Importing dbt takes seconds, so it happens inside the functions that need it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from runner.build.dbt_speed import without_waste
from runner.build.stalled_builds import StalledError, ending_when_stalled
from runner.errors import SignalMartsError, UsageError
from runner.platform import mapping
from runner.progress import Advance
from runner.settings import PROJECT, dbt_folders

if TYPE_CHECKING:
    from dbt.cli.main import dbtRunnerResult
    from dbt.contracts.graph.manifest import Manifest


# The event that tells that a model or test is done.
_FINISHED = "NodeFinished"

# The result of a run has all its messages.
_SILENT = ("--quiet", "--log-level", "none", "--log-level-file", "info")


Widen = Callable[["Manifest", Set[str]], Set[str]]
"""Called with the project and the ids of all that was selected; returns ids to build as well."""


class BuildFailedError(SignalMartsError):
    """A build could not begin, or did not come to its end."""


@dataclass(frozen=True)
class Node:
    """The result of one model or test."""

    id: str
    name: str
    kind: str
    status: str
    seconds: float
    message: str

    @property
    def is_failure(self) -> bool:
        return self.status in ("error", "fail", "runtime error", "partial success")

    @property
    def is_warning(self) -> bool:
        return self.status == "warn"


@dataclass(frozen=True)
class Build:
    """All models and tests of a build, which dbt calls ``id``, its invocation_id."""

    id: str
    nodes: tuple[Node, ...]

    @property
    def failures(self) -> tuple[Node, ...]:
        return tuple(node for node in self.nodes if node.is_failure)

    @property
    def warnings(self) -> tuple[Node, ...]:
        return tuple(node for node in self.nodes if node.is_warning)

    @property
    def skipped(self) -> int:
        """Number of models and tests that were not run, since a model above failed."""
        return sum(node.status == "skipped" for node in self.nodes)


def build(
    environment: Mapping[str, str],
    *,
    advance: Advance,
    select: Sequence[str] = (),
    exclude: Sequence[str] = (),
    full_refresh: bool = False,
    target: Path | None = None,
    tests: bool = True,
    schema_prefix: str | None = None,
    project: Manifest | None = None,
    widen: Widen | None = None,
) -> Build:
    """Run ``dbt build`` on the database that ``environment`` (PGHOST, ...) names.

    ``target`` is dbt's output folder; without ``tests`` only models are built; ``schema_prefix``
    builds into schemas of its own, such as ``prefix_performance``; ``project`` is the result of
    ``parse``, which saves the time of parsing, and then no artifacts are written; ``widen`` adds
    models to the selection, before the first is built. Raises UsageError if the selection matches
    nothing, and BuildFailedError if dbt could not start; failed models and tests are in the result.
    """
    from dbt_common.invocation import get_invocation_id

    arguments = ["run"]
    if tests:
        # A test that compares with a model outside the selection would find it missing or outdated.
        # Unit tests check only the code, not the rows: `make test` runs them.
        arguments = ["build", "--indirect-selection", "buildable"]
        arguments += ["--exclude-resource-type", "unit_test"]
    arguments += _options(target, schema_prefix)
    if select:
        arguments += ["--select", *select]
    if exclude:
        arguments += ["--exclude", *exclude]
    if full_refresh:
        arguments.append("--full-refresh")
    if project is not None:
        arguments.append("--no-write-json")
    with nullcontext() if widen is None else _widened(widen):
        result = _invoke(_prefixed(environment, schema_prefix), arguments, advance, project)
    nodes = tuple(
        Node(
            id=each.node.unique_id,
            name=each.node.name,
            kind=str(each.node.resource_type),
            status=str(each.status),
            seconds=float(each.execution_time),
            message=str(each.message or ""),
        )
        for each in getattr(result.result, "results", ())
    )
    if not nodes:
        raise UsageError("nothing was built: no model or test matches the selection")
    return Build(get_invocation_id(), nodes)


def parse(
    environment: Mapping[str, str],
    *,
    target: Path | None = None,
    schema_prefix: str | None = None,
) -> Manifest:
    """Read the project once, for many builds of it as it is now, with the same prefix.

    Raises BuildFailedError where it is not well-formed.
    """
    result = _invoke(
        _prefixed(environment, schema_prefix),
        ["parse", *_options(target, schema_prefix)],
        lambda done, total, at: None,
    )
    return cast("Manifest", result.result)


def docs(environment: Mapping[str, str], *, advance: Advance, target: Path | None = None) -> Path:
    """Write the lineage site, one self-contained file, and return its path.

    Raises BuildFailedError where dbt could not write it.
    """
    # As dbt reads it: the result does not say where the site is.
    folders = dbt_folders() | os.environ
    target = target or Path(folders.get("DBT_TARGET_PATH", PROJECT / "target"))
    result = _invoke(environment, ["docs", "generate", "--static", *_options(target)], advance)
    if not result.success:
        raise BuildFailedError("dbt could not write the lineage site; logs/dbt.log says why")
    return target.resolve() / "static_index.html"


def _prefixed(environment: Mapping[str, str], schema_prefix: str | None) -> Mapping[str, str]:
    if schema_prefix is None:
        return environment
    return {**environment, "DBT_SCHEMA_PREFIX": schema_prefix}


def _options(target: Path | None, schema_prefix: str | None = None) -> list[str]:
    profile = "prod" if schema_prefix is None else "dev"
    options = ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--target", profile]
    if target is not None:
        options += ["--target-path", str(target), "--log-path", str(target / "logs")]
    return options


def _invoke(
    environment: Mapping[str, str],
    arguments: Sequence[str],
    advance: Advance,
    project: Manifest | None = None,
) -> dbtRunnerResult:
    from dbt.cli.main import dbtRunner

    try:
        with (
            _environment(environment),
            _interruptible(),
            ending_when_stalled(),
            without_waste(_FINISHED),
        ):
            runner = dbtRunner(manifest=project, callbacks=[_counter(advance)])
            result = runner.invoke([*_SILENT, *arguments])
    finally:
        _close_log()
    if _is_interrupt(result.exception):
        raise KeyboardInterrupt
    if isinstance(result.exception, StalledError):
        raise BuildFailedError(str(result.exception))
    if result.exception is not None:
        raise BuildFailedError(f"dbt {arguments[0]} could not run: {result.exception}")
    return result


def _close_log() -> None:
    """Close dbt's log file, which dbt leaves to the garbage collector."""
    log = logging.getLogger("file_log")
    for handler in tuple(log.handlers):
        log.removeHandler(handler)
        handler.close()
    # After an interrupt dbt's threads may still write messages; these must not fail.
    log.addHandler(logging.NullHandler())


@contextmanager
def _widened(widen: Widen) -> Iterator[None]:
    """Let dbt, in this process, add models to its selection."""
    from dbt.graph.selector import NodeSelector

    selector: Any = NodeSelector  # one of its methods is replaced
    get_selected = selector.get_selected
    added: Set[str] | None = None

    def get_and_widen(self: Any, spec: Any, **options: Any) -> Set[str]:
        nonlocal added
        selected = get_selected(self, spec, **options)
        # dbt selects again for models, for tests and for unit tests.
        if added is None:
            added = set(widen(self.manifest, selected))
            if added:
                added |= _tests_of(self, spec, selected, added)
        return cast("Set[str]", selected | added)

    selector.get_selected = get_and_widen
    try:
        yield
    finally:
        selector.get_selected = get_selected


def _tests_of(selector: Any, spec: Any, selected: Set[str], added: Set[str]) -> Set[str]:
    """The tests of the models added to a selection, except excluded tests.

    None if only models are run: the selector returns only node types that it was made for.
    """
    from dbt.graph.selector_spec import IndirectSelection

    def tests(models: Set[str]) -> set[str]:
        found, _ = selector.expand_selection(models, IndirectSelection.Buildable)
        return cast("set[str]", selector.filter_selection(found))

    _, excluded = spec.components
    left_out: set[str] = selector.select_nodes(excluded, warn_on_no_nodes=False)[0]
    return tests(selected | added) - tests(selected) - left_out


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let dbt end its sessions at an interrupt, even if they wait for a lock.

    As the profile's role dbt may not end them, since they belong to the login: it would wait.
    """
    from dbt.adapters.postgres.connections import PostgresConnectionManager

    manager: Any = PostgresConnectionManager  # one of its methods is replaced
    cancel = manager.cancel

    def cancel_as_login(self: Any, connection: object) -> None:
        self.add_query("reset role")
        cancel(self, connection)

    manager.cancel = cancel_as_login
    try:
        yield
    finally:
        manager.cancel = cancel


def _is_interrupt(error: BaseException | None) -> bool:
    """Whether an interrupt is the root cause: if the server is gone, more errors follow it."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def _counter(advance: Advance) -> Callable[..., None]:
    """A callback of dbt's that counts the models and tests that are done."""
    total = 0
    done: set[str] = set()

    # A callback that raises fails the run, so this one reads only what every event has.
    def count(event: object) -> None:
        nonlocal total
        name = event.info.name  # type: ignore[attr-defined]
        data = event.data  # type: ignore[attr-defined]
        if name == "LogStartLine":
            total = max(total, int(data.total))
        elif name == _FINISHED:
            done.add(data.node_info.unique_id)
            advance(min(len(done), total), total, data.node_info.node_name)

    return count


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables for as long as dbt runs, since its profile is read from the environment."""
    before = dict(os.environ)
    os.environ.update({**dbt_folders(), **before, **mapping.variables(mapping.read()), **variables})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
