"""Reading the marts: named questions in ``sql/``, and messages for the ones that fail.

Nothing here knows Streamlit: the report asks the same questions.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import psycopg
from psycopg import errors
from psycopg.types.numeric import FloatLoader

from runner.client.pools import PoolLimits, shared_parameters
from runner.errors import SignalMartsError, UsageError
from runner.servers.database import Connection, Database
from runner.servers.role_logins import NoLoginError
from runner.settings import Settings, revealed

Row = dict[str, Any]

STATEMENT_TIMEOUT_SECONDS = 15.0

LIMITS = PoolLimits(
    "signal-marts dashboard",
    "bi_reader",
    min_size=0,
    max_size=6,
    wait_seconds=4.0,
    statement_timeout_seconds=STATEMENT_TIMEOUT_SECONDS,
    is_read_only=True,
)
"""Limits of a question: as ``bi_reader``, a role that can only read the marts."""


class MartError(SignalMartsError):
    """A question that cannot be answered; the message is the reason, ``mend`` the fix."""

    def __init__(self, text: str, mend: str) -> None:
        super().__init__(f"{text}; {mend}")
        self.text = text
        self.mend = mend


class MissingMartError(MartError):
    """A mart or a column is missing: not built yet, or being rebuilt."""


class UnreachableError(MartError):
    """The replica cannot be reached, or does not let bi_reader in."""

    exit_code = 3


class NotDeployedError(UnreachableError):
    """No login can be bi_reader before the first deploy."""

    exit_code = 1

    def __init__(self, text: str) -> None:
        super().__init__(text, "run signal-marts deploy, then signal-marts build")


def reading_database(given: Settings) -> Database:
    """Where the marts are read: DASHBOARD_URL, else REPLICA_URL.

    Unlike a build, readers need no primary.
    """
    if url := revealed(given.dashboard_url) or revealed(given.replica_url):
        return Database("replica", url)
    raise UsageError("REPLICA_URL is not set; set it (or DASHBOARD_URL) to the marts' database")


@contextmanager
def connect(database: Database, limits: PoolLimits) -> Iterator[Connection]:
    """A connection outside of any pool; raise UnreachableError if there is none."""
    try:
        connection = psycopg.connect(**shared_parameters(database, limits))
    except psycopg.OperationalError as error:
        raise explain(error, database).error from None
    except NoLoginError:
        raise NotDeployedError("the replica has no login for bi_reader yet") from None
    with connection:
        yield connection


@contextmanager
def reading(connection: Connection) -> Iterator[None]:
    """A transaction under the LIMITS; raise UnreachableError if the login may not be bi_reader.

    The limits hold for this transaction only: the session may belong to a pooler.
    """
    with connection.transaction():
        try:
            connection.execute(LIMITS.of_transaction())
        except errors.InvalidParameterValue:
            raise NotDeployedError("the replica has no role bi_reader yet") from None
        except errors.InsufficientPrivilege as error:
            raise UnreachableError(
                f"{connection.info.user} may not read as bi_reader ({error.diag.message_primary})",
                "deploy, and grant bi_reader to that login on the replica",
            ) from None
        yield


@cache
def statement(name: str) -> str:
    """The text of ``sql/<name>.sql``."""
    return resources.files("runner.views.dashboard").joinpath("sql", f"{name}.sql").read_text()


def ask(connection: Connection, name: str, parameters: dict[str, Any]) -> list[Row]:
    """The rows that answer the question ``name``, asked in a transaction of ``reading``.

    Numerics come as floats, only for display.
    """
    with connection.cursor() as cursor:
        cursor.adapters.register_loader("numeric", FloatLoader)
        cursor.execute(statement(name), parameters)
        columns = [column.name for column in cursor.description or ()]
        return [dict(zip(columns, row, strict=True)) for row in cursor]


@dataclass(frozen=True)
class Explanation:
    """The MartError for a psycopg error, and whether asking again at once may help."""

    error: MartError
    is_passing: bool = False


def explain(error: psycopg.Error, database: Database) -> Explanation:
    """Turn a database error into a message; an unknown error keeps the database's words."""
    said = error.diag.message_primary or str(error).strip().splitlines()[0]
    if isinstance(error, errors.UndefinedTable | errors.InvalidSchemaName):
        what = said.removeprefix('relation "').split('"')[0]
        return Explanation(MissingMartError(f"{what} is not built yet", "run signal-marts build"))
    if isinstance(error, errors.UndefinedColumn):
        return Explanation(
            MissingMartError(f"a mart is of another version ({said})", "run signal-marts build")
        )
    if isinstance(error, errors.InsufficientPrivilege):
        return Explanation(
            MissingMartError(f"bi_reader may not read it ({said})", "run signal-marts build")
        )
    if isinstance(error, errors.QueryCanceled):
        return Explanation(
            MartError(
                f"the question took longer than {STATEMENT_TIMEOUT_SECONDS:.0f} seconds",
                "choose fewer days or symbols",
            )
        )
    if isinstance(error, errors.LockNotAvailable):
        return Explanation(MartError("a build holds the mart", "it comes back by itself"))
    if isinstance(error, psycopg.OperationalError):
        return Explanation(
            UnreachableError(
                f"the replica at {database.address} cannot be reached ({said})",
                "start it, or mend REPLICA_URL",
            ),
            is_passing=True,
        )
    # If a build replaces a table while a reader waits for it, its old number no longer exists.
    return Explanation(
        MartError(f"the database said: {said}", "see the replica's log"),
        is_passing=isinstance(error, errors.InternalError_),
    )
