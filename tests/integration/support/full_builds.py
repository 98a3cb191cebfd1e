"""Full builds: by dbt once, and from then on by the recorded statements.

dbt's part of such a build is the same each time, and takes ten times as long as the server's.
"""

from __future__ import annotations

import fcntl
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar

from comparison import differing_models
from psycopg import sql

from runner.build import builds, transform
from runner.servers import role_logins
from runner.servers.database import Database

# The differences from one build to the next: the moment as of which staging reads, and the latest
# that a row may be of (macros/rejected/latest_moment.sql), alone written with microseconds.
_MOMENT = re.compile(r"(?<=set transaction snapshot ')[^']+")
_LATEST = re.compile(r"(?<=cast\(')[\d-]+ [\d:]+\.\d{6}(?=\+00' as timestamp with time zone\))")

# A model's table of such a build; the books have one that is called as a model is.
_TABLE = re.compile(r'"full_(?!changes")(\w+)"\."(\w+)"')


class FullBuild:
    """The statements of a build of all models: a first one, or one into schemas with the prefix
    ``full_``, which are made anew.

    dbt runs them where they are recorded. They can be run again on any replica of the same name
    whose columns have the same types.
    ``of`` names replicas that workers have alike: one records for all.
    """

    folder: ClassVar[Path | None] = None
    """Where all workers of a run find what one of them recorded."""

    def __init__(self, *, of: str = "") -> None:
        # Statements by the session's name (a model's name), in an order in which they can be run.
        self._sessions: dict[str, list[str]] = {}
        self._of = of

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Record the statements that dbt runs in this process."""
        from dbt.adapters.postgres.connections import PostgresConnectionManager

        manager: Any = PostgresConnectionManager  # one of its methods is replaced
        add_query = manager.add_query
        # Sessions have the names of models, and others before the first and after the last model.
        sessions: dict[str, list[str]] = {}
        lock = Lock()

        def record(self: Any, statement: str, *arguments: Any, **options: Any) -> Any:
            name = self.get_thread_connection().name
            with lock:
                is_late = not name.startswith("model.") and any(
                    each.startswith("model.") for each in sessions
                )
                if not is_late:
                    sessions.setdefault(name, []).append(statement)
            return add_query(self, statement, *arguments, **options)

        manager.add_query = record
        try:
            yield
        finally:
            manager.add_query = add_query
        self._sessions = sessions

    @property
    def is_recorded(self) -> bool:
        return bool(self._sessions)

    def run(self, replica: Database, *, alone: bool = False) -> None:
        """Run the statements; with ``alone``, each model reads the marts' tables of its parents."""
        builder = role_logins.as_role(replica, "transformer")
        with (
            builder.connect(autocommit=True) as session,
            builds.frozen(replica, timeout=60) as environment,
        ):
            row = session.execute(
                "select to_char((max(written_at) + interval '1 day') at time zone 'UTC',"
                " 'YYYY-MM-DD HH24:MI:SS.US') from public.ai_replication_fence"
            ).fetchone()
            assert row is not None
            latest = str(row[0])
            schemas = session.execute(
                "select nspname from pg_namespace where starts_with(nspname, 'full_')"
            ).fetchall()
            for (schema,) in schemas:
                session.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(schema)))
            session.execute("set role transformer")
            for name, statements in self._sessions.items():
                for statement in statements:
                    if alone:
                        statement = self._on_stored_parents(name, statement)
                    statement = _LATEST.sub(latest, statement)
                    statement = _MOMENT.sub(environment["SIGNAL_MARTS_MOMENT"], statement)
                    session.execute(statement.encode())

    @contextmanager
    def _shared(self) -> Iterator[Path | None]:
        """Hold the file of what any worker recorded, where it is one that they share."""
        if self.folder is None or not self._of:
            yield None
            return
        file = self.folder / f"full-build-{self._of}"
        with file.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield file

    def build(self, replica: Database, by_dbt: Callable[[], transform.Build]) -> None:
        """Build all models: ``by_dbt`` the first time in a run, and then as it did."""
        with self._shared() as file:
            if not self.is_recorded and file is not None and file.exists():
                self._sessions = json.loads(file.read_text())
            is_first = not self.is_recorded
            if is_first:
                with self.recorded():
                    failures = by_dbt().failures
                assert not failures, failures
                if file is not None:
                    file.write_text(json.dumps(self._sessions))
        if not is_first:
            self.run(replica)

    def differing(
        self, replica: Database, by_dbt: Callable[[], transform.Build]
    ) -> dict[str, tuple[int, int]]:
        """The models whose rows differ from a full build: see differing_models.

        ``by_dbt`` builds into schemas with the prefix ``full_``. If possible, only models with the
        fault itself are returned: a model that also differs when it is built in full on the stored
        rows of its parents.
        """
        self.build(replica, by_dbt)
        with replica.connect() as connection:
            found = differing_models(connection, "full")
        if found:
            self.run(replica, alone=True)
            with replica.connect() as connection:
                found = differing_models(connection, "full") or found
        return found

    def _on_stored_parents(self, session_name: str, statement: str) -> str:
        """The statement of a model, with the marts' tables as its parents."""

        def table(found: re.Match[str]) -> str:
            schema, name = found.groups()
            model = f"model.signal_marts.{name}"
            is_parent = model in self._sessions and model != session_name
            return f'"{schema}"."{name}"' if is_parent else found[0]

        return _TABLE.sub(table, statement)
