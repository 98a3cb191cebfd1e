"""The schema of the primary: yoyo's migrations, applied one deploy at a time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from yoyo import exceptions, read_migrations
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import DatabaseURI
from yoyo.migrations import Migration

from runner.database import Database, scalar
from runner.errors import SignalMartsError, UsageError
from runner.settings import PROJECT

FOLDER = PROJECT / "migrations"
_MIGRATION_TABLE = "_yoyo_migration"

# Any number that no other program takes: "signal marts" as eight bytes of its own.
_ADVISORY_KEY = 0x5167_6E61_6C4D_7274

_ATTEMPTS = 8


class MigrationError(SignalMartsError):
    """A migration could not be applied."""


@dataclass(frozen=True)
class State:
    """Names of the migrations on disk, and of those among them that the primary has."""

    on_disk: tuple[str, ...]
    applied: tuple[str, ...]

    @property
    def pending(self) -> tuple[str, ...]:
        return tuple(name for name in self.on_disk if name not in self.applied)


def state(primary: Database, folder: Path = FOLDER) -> State:
    """Compare the folder with the primary; nothing is written."""
    names = [migration.id for migration in _read(folder)]
    with primary.connect() as connection:
        if scalar(connection, "select to_regclass(%s)", (_MIGRATION_TABLE,)) is None:
            return State(tuple(names), ())
        applied = {
            name for (name,) in connection.execute("select migration_id from _yoyo_migration")
        }
    return State(tuple(names), tuple(name for name in names if name in applied))


def apply(
    primary: Database,
    *,
    lock_timeout: float,
    report: Callable[[str], None],
    folder: Path = FOLDER,
) -> list[str]:
    """Apply what is pending, in order, and return its names; ``lock_timeout`` is in seconds.

    A migration that meets a lock steps back, so that the platform's own statements do not queue
    behind it, and tries again. Raises MigrationError naming the migration and the cause.
    """
    migrations = _read(folder)
    with one_at_a_time(primary):
        backend = _backend(primary, lock_timeout)
        try:
            with backend.lock():
                pending = backend.to_apply(migrations)
                for migration in pending:
                    _apply_one(backend, migration, report)
                return [migration.id for migration in pending]
        except exceptions.LockTimeout:
            raise MigrationError(
                "another yoyo holds the lock on the migrations, or one was killed while it did; "
                "when none is running: yoyo break-lock"
            ) from None
        finally:
            backend.connection.close()


@contextmanager
def one_at_a_time(primary: Database, command: str = "deploy") -> Iterator[None]:
    """Hold the lock of a database; raise MigrationError where another runner holds it."""
    with primary.connect(autocommit=True, application=f"signal-marts {command}") as connection:
        if not scalar(connection, "select pg_try_advisory_lock(%s)", (_ADVISORY_KEY,)):
            raise MigrationError(
                f"another {command} is running on {primary.address}; wait for it to end"
            )
        yield


def _read(folder: Path) -> Sequence[Migration]:
    migrations = read_migrations(str(folder))
    if not migrations:
        raise UsageError(f"no migrations in {folder}: is this the project?")
    return migrations  # type: ignore[no-any-return]


def _backend(primary: Database, lock_timeout: float) -> PostgresqlPsycopgBackend:
    given = primary.parameters()
    options = f"{given.pop('options', '')} -c lock_timeout={int(lock_timeout * 1000)}".strip()
    uri = DatabaseURI(
        scheme="postgresql+psycopg",
        username=given.pop("user", None),
        password=given.pop("password", None),
        hostname=given.pop("host", None),
        port=given.pop("port", None),
        database=given.pop("dbname", None),
        args=given | {"options": options},
    )
    # A parsed address keeps what yoyo's own parser would lose, such as a socket's folder.
    backend = PostgresqlPsycopgBackend(uri, _MIGRATION_TABLE)
    backend.init_database()
    return backend


def _apply_one(
    backend: PostgresqlPsycopgBackend, migration: Migration, report: Callable[[str], None]
) -> None:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            backend.apply_one(migration)
        except psycopg.errors.LockNotAvailable:
            if attempt == _ATTEMPTS:
                raise MigrationError(
                    f"migration {migration.id} could not get its lock in {_ATTEMPTS} attempts: a "
                    "long transaction holds it (see pg_stat_activity); nothing of it was applied"
                ) from None
            report(f"migration {migration.id}: waiting for a lock, attempt {attempt + 1}")
            time.sleep(random.uniform(0.5, 1.5) * min(2**attempt, 15))  # noqa: S311 - jitter
        except psycopg.Error as error:
            hint = f" ({error.diag.message_hint})" if error.diag.message_hint else ""
            raise MigrationError(
                f"migration {migration.id} failed: {error.diag.message_primary or error}{hint}"
            ) from None
        else:
            report(f"primary: migration {migration.id} applied")
            return
