"""Rounds of a watch: the statements that dbt would run, on a few sessions that stay open.

dbt renders a model in some ten milliseconds, asks the catalog, opens a session and closes it, which
takes longer than the changes of a second. So dbt keeps the rendered statements
(macros/changes/keep_statements.sql), and from then on a round runs these: two or three round trips
per model, and none if no parent changed. A build in full is left to dbt.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence, Set
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from graphlib import TopologicalSorter
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import psycopg

from runner.build import books
from runner.build.lineage import reachable
from runner.build.transform import Build, Node
from runner.servers.database import Connection, Database

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest

# The SQLSTATE that macros/changes/refuse_unknown.sql raises.
_TO_BE_BUILT_IN_FULL = "SM101"


class _Outcome(Enum):
    CURRENT = "current"  # it has read all changes of its parents
    BUILT = "success"
    FAILED = "error"
    SKIPPED = "skipped"  # a model above failed
    LEFT = "left"  # it, or a model above, is to be built in full


@dataclass(frozen=True)
class _Model:
    """A model. ``relation`` is its qualified name; ``reads`` has the names of its parents that are
    kept up by changes, none for a staging model. ``statements`` are those of keep_statements."""

    id: str
    name: str
    relation: str
    parents: frozenset[str]
    reads: frozenset[str]
    is_exact: bool
    statements: Mapping[str, str] | None


@dataclass(frozen=True)
class _Done:
    """A worker's result for a model: the number of rows written, and the model's version now."""

    outcome: _Outcome
    seconds: float = 0.0
    message: str = ""
    rows: int | None = None
    version: int | None = None


class _Course:
    """The state of a round: the books when it began, and the outcomes of its models since."""

    def __init__(self, found: books.Books) -> None:
        self._versions = dict(found.versions)
        self._reads = found.reads
        self.outcomes: dict[str, _Outcome] = {}
        self.results: dict[str, tuple[Node, int | None]] = {}

    def foreseen(self, model: _Model) -> _Outcome | None:
        """The outcome that the models above force on a model; None: it is to be built."""
        above = {self.outcomes.get(parent) for parent in model.parents}
        is_there = model.statements and (model.relation in self._versions or not model.is_exact)
        if not is_there or _Outcome.LEFT in above:
            return _Outcome.LEFT
        if above & {_Outcome.FAILED, _Outcome.SKIPPED}:
            return _Outcome.SKIPPED
        is_current = model.reads and all(
            self._reads.get((model.relation, name)) == self._versions.get(name, 0)
            for name in model.reads
        )
        return _Outcome.CURRENT if is_current else None

    def note(self, model: _Model, done: _Done) -> None:
        self.outcomes[model.id] = done.outcome
        if done.version is not None:
            self._versions[model.relation] = done.version
        if done.outcome not in (_Outcome.CURRENT, _Outcome.LEFT):
            status = done.outcome.value
            node = Node(model.id, model.name, "model", status, done.seconds, done.message)
            self.results[model.relation] = (node, done.rows)


class Rounds(AbstractContextManager["Rounds"]):
    """The models of a project that dbt has built once, and the sessions on which they are built.

    ``replica`` is the login of builds; ``sessions`` how many models are built at a time.
    """

    def __init__(self, replica: Database, project: Manifest, *, sessions: int = 4) -> None:
        self._project = project
        self._is_ended = False
        with ExitStack() as opened:
            self._sessions = [
                opened.enter_context(
                    replica.connect(autocommit=True, application="signal-marts round")
                )
                for _ in range(sessions)
            ]
            self._opened = opened.pop_all()
        self._idle: SimpleQueue[Connection] = SimpleQueue()
        for session in self._sessions:
            self._idle.put(session)

    def __exit__(self, *error: object) -> None:
        self._opened.close()

    def build(
        self, names: Sequence[str], *, moment: str, book: Connection
    ) -> tuple[Build, list[str]]:
        """Build the named models from changes, staging models as of a frozen ``moment``.

        ``book`` is a session on which the books are read and written. Returns the build, and the
        names of the models that are to be built in full, or that read such a model, views as well.
        A model that fails is in the build. Raises psycopg.OperationalError if the server went away.
        """
        models = {model.id: model for model in self._models(names)}
        build_id, started_at = str(uuid.uuid4()), datetime.now(UTC)
        course = _Course(books.read(book))
        order = TopologicalSorter(
            {id_: model.parents & models.keys() for id_, model in models.items()}
        )
        order.prepare()
        running: dict[Future[_Done], _Model] = {}
        with ThreadPoolExecutor(len(self._sessions)) as pool:
            try:
                while order.is_active():
                    ready = [models[id_] for id_ in order.get_ready()]
                    for model in ready:
                        outcome = course.foreseen(model)
                        if outcome is None:
                            running[pool.submit(self._build, model, moment, build_id)] = model
                        else:
                            course.note(model, _Done(outcome))
                            order.done(model.id)
                    # A model that is up to date may have made its children ready.
                    for future in () if ready else wait(running, return_when=FIRST_COMPLETED).done:
                        model = running.pop(future)
                        course.note(model, future.result())
                        order.done(model.id)
            except BaseException:
                self._end(set(running))
                raise
        if course.results:
            books.record(book, build_id, started_at, course.results)
            book.execute(self._project.flat_graph["statements_after"])
        left = {id_ for id_, each in course.outcomes.items() if each is _Outcome.LEFT}
        return Build(build_id, tuple(node for node, _ in course.results.values())), [
            self._project.nodes[id_].name for id_ in self._with_views(left)
        ]

    def _with_views(self, ids: Set[str]) -> Set[str]:
        """These models and the views on them, which go when a table is built in full."""
        views: dict[str, set[str]] = {}
        for id_, node in self._project.nodes.items():
            if id_.startswith("model.") and node.config.materialized == "view":
                for parent in node.depends_on_nodes:
                    views.setdefault(parent, set()).add(id_)
        return reachable(views, ids)

    def _models(self, names: Sequence[str]) -> list[_Model]:
        """The named models, without views: a view needs no build."""
        wanted = set(names)
        project = self._project.nodes
        graph = self._project.flat_graph["nodes"]

        def is_exact(id_: str) -> bool:
            config = graph[id_]["config"] if id_ in project else {}
            kind = (config.get("materialized"), config.get("incremental_strategy"))
            return kind == ("incremental", "exact")

        def relation(id_: str) -> str:
            return f"{project[id_].schema}.{project[id_].alias}"

        return [
            _Model(
                id=id_,
                name=node.name,
                relation=relation(id_),
                parents=frozenset(node.depends_on_nodes),
                reads=frozenset(relation(each) for each in node.depends_on_nodes if is_exact(each)),
                is_exact=is_exact(id_),
                statements=graph[id_].get("statements"),
            )
            for id_, node in project.items()
            if id_.startswith("model.")
            and node.name in wanted
            and node.config.materialized != "view"
        ]

    def _build(self, model: _Model, moment: str, build_id: str) -> _Done:
        """Build a model, in a transaction on an idle session."""
        session = self._idle.get()
        begun = time.monotonic()
        try:
            rows, version = self._transact(session, model, moment, build_id)
        except psycopg.Error as error:
            if self._is_ended or session.broken:
                raise
            session.rollback()
            if error.sqlstate == _TO_BE_BUILT_IN_FULL:
                return _Done(_Outcome.LEFT)
            return _Done(_Outcome.FAILED, time.monotonic() - begun, str(error))
        else:
            return _Done(_Outcome.BUILT, time.monotonic() - begun, rows=rows, version=version)
        finally:
            self._idle.put(session)

    def _transact(
        self, session: Connection, model: _Model, moment: str, build_id: str
    ) -> tuple[int, int | None]:
        """Returns the number of written rows, and the model's version in the books."""
        statements = model.statements or {}
        begin = "begin"
        if not model.reads:
            begin += f" isolation level repeatable read; set transaction snapshot '{moment}'"
        # The setting that macros/changes/build_id.sql reads.
        named = f"set local signal_marts.build_id = '{build_id}'"
        collect = [begin, named, statements["collect"]]
        if model.is_exact:
            collect.append("select exists (select from affected)")
        rows = 0
        if self._run(session, *collect)[0] or not model.is_exact:
            rows = self._run(session, statements["apply"])[1]
        version, _ = self._run(session, statements["publish"], "commit")
        return rows, version

    def _run(self, session: Connection, *statements: str) -> tuple[Any, int]:
        """Run statements in one round trip.

        Returns the value of the last statement that returned a row, and the row count of the last
        one.
        """
        if self._is_ended:
            raise psycopg.errors.QueryCanceled("the round was ended")
        cursor = session.execute(";\n".join(statements).encode())
        value = None
        while True:
            if cursor.description and (row := cursor.fetchone()):
                value = row[0]
            rows = cursor.rowcount
            if not cursor.nextset():
                return value, rows

    def _end(self, running: set[Future[_Done]]) -> None:
        """Cancel running statements, repeatedly: a worker may have been between two statements."""
        self._is_ended = True
        while running:
            for session in self._sessions:
                with suppress(psycopg.Error):
                    session.cancel_safe(timeout=5)
            running = wait(running, timeout=0.2).not_done
