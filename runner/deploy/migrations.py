"""The schema of the primary: yoyo's migrations, applied so that a kill at any moment does no harm.

A transactional migration commits together with its mark; yoyo alone marks it afterwards. A
migration that a plain yoyo applied and did not mark is recognised: it is tried again in a
transaction that is rolled back, and marked if it changes nothing. A concurrent index is checked and
redone.
"""

from __future__ import annotations

import hashlib
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import resources
from pathlib import Path

import psycopg
from yoyo import read_migrations
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import DatabaseURI
from yoyo.migrations import Migration

from runner.deploy.migration_rules import check_folder
from runner.errors import SignalMartsError, UsageError
from runner.servers.database import (
    SESSION,
    Connection,
    Database,
    lift_transaction_timeout,
    scalar,
    session_options,
)
from runner.servers.deploy_lock import WORKER, yoyo_lock
from runner.servers.planted import check_public, plain
from runner.settings import PROJECT

FOLDER = PROJECT / "migrations"

_LEDGER = "public.ai_migration_ledger"

_ATTEMPTS = 8

KEY_TYPES = ("bigint", "uuid", "text")
"""Types that the AI tables can give to a key of the platform; bigint holds every integer."""

Report = Callable[[str], None]


class MigrationError(SignalMartsError):
    """A migration could not be applied or rolled back."""


class LedgerError(MigrationError):
    """The migrations on disk are not those that the primary has."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(
            "the migrations on disk are not those that were applied:\n"
            + "\n".join(f"  - {problem}" for problem in problems)
            + "\nput the files back, and say what changes in a new migration"
        )
        self.problems = tuple(problems)


@dataclass(frozen=True)
class State:
    """Names of the migrations on disk, in their order, and of those that the primary has."""

    on_disk: tuple[str, ...]
    applied: tuple[str, ...]

    @property
    def pending(self) -> tuple[str, ...]:
        return tuple(name for name in self.on_disk if name not in self.applied)


@dataclass(frozen=True)
class Hashes:
    """SHA-256 of a migration's two files."""

    apply: str
    rollback: str


def state(connection: Connection) -> State:
    """Compare the folder with the primary; nothing is written."""
    on_disk = tuple(migration.id for migration in _read(FOLDER))
    applied = applied_names(connection) & {*on_disk, *_recorded(connection)}
    return State(on_disk, tuple(sorted(applied)))


def statements(name: str, *, rollback: bool = False) -> str:
    """The text of a migration, or of its rollback."""
    return (FOLDER / f"{name}{'.rollback' if rollback else ''}.sql").read_text("utf-8")


def check_ledger(connection: Connection, folder: Path = FOLDER) -> None:
    """Raise LedgerError where an applied migration was edited, renamed or deleted."""
    on_disk = {migration.id: _hashes(migration) for migration in _read(folder)}
    recorded = _recorded(connection)
    problems = []
    # A migration neither on disk nor in the ledger is the platform's, which may use yoyo as well.
    for name in sorted(applied_names(connection) & (on_disk.keys() | recorded.keys())):
        if name in on_disk:
            before, now = recorded.get(name, on_disk[name]), on_disk[name]
            if before.apply != now.apply:
                problems.append(f"{name}.sql was edited after it was applied")
            if before.rollback != now.rollback:
                problems.append(f"{name}.rollback.sql was edited after {name} was applied")
            continue
        twins = [other for other, found in on_disk.items() if found == recorded.get(name)]
        problems.append(
            f"{name}.sql was renamed to {twins[0]}.sql" if twins else f"{name}.sql is gone"
        )
    if problems:
        raise LedgerError(problems)


def apply(
    primary: Database,
    session: Connection,
    *,
    lock_timeout: float,
    report: Report,
    key_types: Mapping[str, str] = {},
    folder: Path = FOLDER,
) -> list[str]:
    """Apply pending migrations, in order, and return their names.

    ``session`` holds the deploy lock; ``lock_timeout`` is in seconds. ``key_types`` are the types
    of the platform's keys, for ``pattern`` and ``trade_plan``: each of KEY_TYPES, or bigint if not
    given. A migration that must wait for a lock gives up, so that the platform's statements do not
    queue behind it, and tries again. Raises LedgerError, or MigrationError naming the migration and
    the cause; migrations applied before stay. Nothing is applied from a folder that breaks the
    rules of migrations.
    """
    for name, given in key_types.items():
        if name not in ("pattern", "trade_plan") or given not in KEY_TYPES:
            raise UsageError(f"{name}: {given} is no type of a key: {', '.join(KEY_TYPES)} are")
    check_ledger(session, folder)
    if problems := check_folder(folder):
        raise MigrationError("\n".join(["the migrations break the rules:", *map(str, problems)]))
    applied = applied_names(session)
    pending = [migration for migration in _read(folder) if migration.id not in applied]
    if not pending:
        _record(session, folder)
        return []
    settings = {f"signal_marts.{name}_key_type": given for name, given in key_types.items()}
    with _backend(primary, lock_timeout, settings) as backend, yoyo_lock(session):
        for migration in pending:
            backend.connection.execute("reset lock_timeout")
            patiently(partial(_apply_one, backend, migration), f"migration {migration.id}", report)
            report(f"primary: migration {migration.id} applied")
        _record(session, folder)
    return [migration.id for migration in pending]


def to_roll_back(connection: Connection, count: int) -> list[str]:
    """Names of the last ``count`` applied migrations, the newest first."""
    applied = applied_names(connection)
    return [m.id for m in reversed(_read(FOLDER)) if m.id in applied][:count]


def roll_back(
    primary: Database,
    session: Connection,
    names: Sequence[str],
    *,
    lock_timeout: float,
    report: Report,
    folder: Path = FOLDER,
) -> None:
    """Roll back migrations in the given order; ``session`` holds the deploy lock."""
    by_name = {migration.id: migration for migration in _read(folder)}
    with _backend(primary, lock_timeout) as backend, yoyo_lock(session):
        for name in names:
            migration = by_name[name]
            patiently(partial(_roll_back_one, backend, migration), f"migration {name}", report)
            report(f"primary: migration {name} rolled back")


# --- one migration ----------------------------------------------------------------------------


def patiently(work: Callable[[], None], what: str, report: Report) -> None:
    """Do the work, and repeat it if a lock blocked it; jitter keeps two runs from colliding again.

    Raises MigrationError that names the failed step (``what``) and the cause.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            work()
        except psycopg.errors.LockNotAvailable:
            if attempt == _ATTEMPTS:
                raise MigrationError(
                    f"{what} could not get its lock in {_ATTEMPTS} attempts: a "
                    "long transaction holds it (see pg_stat_activity); nothing of it is left"
                ) from None
            report(f"{what}: waiting for a lock, attempt {attempt + 1}")
            time.sleep(random.uniform(0.5, 1.5) * min(2**attempt, 15) / 2)  # noqa: S311 - jitter
        except psycopg.Error as error:
            raise MigrationError(
                f"{what} failed: {error.diag.message_primary or str(error).strip()}"
                + (f" ({error.diag.message_hint})" if error.diag.message_hint else "")
            ) from None
        else:
            return


def _apply_one(backend: PostgresqlPsycopgBackend, migration: Migration) -> None:
    migration.load()
    if not migration.use_transactions:
        _build_index(backend, migration)
        with backend.transaction():
            _mark(backend, migration)
        return
    try:
        with backend.transaction():
            migration.process_steps(backend, "apply")
            _mark(backend, migration)
    except (
        psycopg.errors.DuplicateSchema,
        psycopg.errors.DuplicateTable,
        psycopg.errors.DuplicateObject,
        psycopg.errors.DuplicateFunction,
        psycopg.errors.DuplicateColumn,
    ):
        if not _is_there_already(backend, migration):
            raise
        with backend.transaction():
            _mark(backend, migration)


def _roll_back_one(backend: PostgresqlPsycopgBackend, migration: Migration) -> None:
    migration.load()
    if migration.use_transactions:
        with backend.transaction():
            migration.process_steps(backend, "rollback")
            _unmark(backend, migration)
        return
    migration.process_steps(backend, "rollback")
    with backend.transaction():
        _unmark(backend, migration)


def _mark(backend: PostgresqlPsycopgBackend, migration: Migration) -> None:
    backend.log_migration(migration, "apply")
    backend.mark_one(migration, log=False)
    if _has_ledger(backend.connection):
        _write_ledger(backend.connection, migration)


def _unmark(backend: PostgresqlPsycopgBackend, migration: Migration) -> None:
    backend.log_migration(migration, "rollback")
    backend.unmark_one(migration, log=False)
    if _has_ledger(backend.connection):
        with plain(backend.connection, _LEDGER, is_written=True):
            backend.connection.execute(
                "delete from public.ai_migration_ledger where migration_id = %s", (migration.id,)
            )


def _is_there_already(backend: PostgresqlPsycopgBackend, migration: Migration) -> bool:
    """Whether undoing and redoing the migration changes nothing; all of it is taken back."""
    catalog = resources.files("runner.sql").joinpath("catalog.sql").read_text("utf-8")
    with backend.transaction(rollback_on_exit=True):
        before = backend.connection.execute(catalog).fetchall()
        try:
            migration.process_steps(backend, "rollback")
            migration.process_steps(backend, "apply")
        except psycopg.errors.LockNotAvailable:
            raise
        except psycopg.Error:
            return False
        return bool(before == backend.connection.execute(catalog).fetchall())


_NAME = r'(?:"(?:[^"]|"")+"|\w+)'
_CONCURRENT_INDEX = re.compile(
    r"^\s*create\s+(?:unique\s+)?index\s+concurrently\s+(?:if\s+not\s+exists\s+)?"
    rf"(?P<index>{_NAME})\s+on\s+(?:only\s+)?(?:(?P<schema>{_NAME})\s*\.\s*)?{_NAME}",
    re.IGNORECASE | re.MULTILINE,
)


def _build_index(backend: PostgresqlPsycopgBackend, migration: Migration) -> None:
    """Build a concurrent index again, in place of an earlier attempt's remains, and verify it."""
    found = _CONCURRENT_INDEX.search(migration.source)
    if found is None:
        migration.process_steps(backend, "apply")
        return
    index = f"{found['schema'] or 'public'}.{found['index']}"
    # Its locks block no reader or writer, so it may wait for old transactions to end.
    backend.connection.execute("set lock_timeout = '10min'")
    backend.connection.execute(f"drop index concurrently if exists {index}".encode())
    migration.process_steps(backend, "apply")
    is_valid = scalar(
        backend.connection,
        "select indisvalid from pg_index where indexrelid = to_regclass(%s)",
        (index,),
    )
    if not is_valid:
        raise MigrationError(
            f"migration {migration.id} left the index {found['index']} invalid; run deploy again"
        )


# --- yoyo and the ledger ----------------------------------------------------------------------


def _read(folder: Path) -> Sequence[Migration]:
    migrations = sorted(read_migrations(str(folder)), key=lambda migration: migration.id)
    if not migrations:
        raise UsageError(f"no migrations in {folder}: is this the project?")
    return migrations


def applied_names(connection: Connection) -> set[str]:
    """Names of all migrations that yoyo applied; a platform's own may be among them."""
    if scalar(connection, "select to_regclass(%s)", ("public._yoyo_migration",)) is None:
        return set()
    return {
        name for (name,) in connection.execute("select migration_id from public._yoyo_migration")
    }


@contextmanager
def _backend(
    primary: Database, lock_timeout: float, settings: Mapping[str, str] = {}
) -> Iterator[PostgresqlPsycopgBackend]:
    """yoyo's connection, with time-outs; a statement of a dead runner ends by itself."""
    with primary.connect(autocommit=True) as session:
        check_public(session)
    given = primary.parameters()
    ours = SESSION | {
        "lock_timeout": f"{int(lock_timeout * 1000)}",
        "client_connection_check_interval": "1000",
        **settings,
    }
    options = f"-c role=none {given.pop('options', '')} {session_options(ours)}"
    backend = PostgresqlPsycopgBackend(
        DatabaseURI(
            scheme="postgresql+psycopg",
            username=given.pop("user", None),
            password=given.pop("password", None),
            hostname=given.pop("host", None),
            port=given.pop("port", None),
            database=given.pop("dbname", None),
            args=given | {"options": options, "application_name": WORKER},
        ),
        "_yoyo_migration",
    )
    try:
        lift_transaction_timeout(backend.connection)
        backend.init_database()
        # yoyo takes its lock for its own tables, so that happens before we hold it.
        backend.ensure_internal_schema_updated()
        yield backend
    finally:
        backend.connection.close()


def _hashes(migration: Migration) -> Hashes:
    path = Path(migration.path)
    rollback = path.with_suffix(".rollback.sql")
    return Hashes(
        hashlib.sha256(path.read_bytes()).hexdigest(),
        hashlib.sha256(rollback.read_bytes() if rollback.exists() else b"").hexdigest(),
    )


def _has_ledger(connection: Connection) -> bool:
    return scalar(connection, "select to_regclass(%s)", (_LEDGER,)) is not None


def _recorded(connection: Connection) -> Mapping[str, Hashes]:
    if not _has_ledger(connection):
        return {}
    with plain(connection, _LEDGER):
        rows = connection.execute(
            "select migration_id, apply_sha256, rollback_sha256 from public.ai_migration_ledger"
        ).fetchall()
    return {name: Hashes(forward, back) for name, forward, back in rows}


def _record(connection: Connection, folder: Path) -> None:
    """Add to the ledger migrations that were applied before it existed, or by a plain yoyo."""
    if not _has_ledger(connection):
        return
    applied, recorded = applied_names(connection), _recorded(connection)
    for migration in _read(folder):
        if migration.id in applied and migration.id not in recorded:
            _write_ledger(connection, migration)


def _write_ledger(connection: Connection, migration: Migration) -> None:
    hashes = _hashes(migration)
    with plain(connection, _LEDGER, is_written=True):
        connection.execute(
            "insert into public.ai_migration_ledger (migration_id, apply_sha256, rollback_sha256)"
            " values (%s, %s, %s) on conflict (migration_id) do nothing",
            (migration.id, hashes.apply, hashes.rollback),
        )
