"""Connections to the two databases, and errors of theirs that a user can read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import conninfo, pq
from psycopg.rows import TupleRow

from runner.errors import SignalMartsError, UsageError

Connection = psycopg.Connection[TupleRow]

SESSION = {
    "search_path": "public",
    "client_encoding": "UTF8",
    "timezone": "UTC",
    "datestyle": "ISO,MDY",
    "intervalstyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "array_nulls": "on",
    "transform_null_equals": "off",
    "quote_all_identifiers": "off",
    "xmloption": "content",
    "row_security": "on",
    "check_function_bodies": "on",
    # Under another one two builds could not both write a token.
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "default_transaction_deferrable": "off",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
}
"""What a server, a database or a login may have set otherwise: each session of ours sets it itself,
so does dbt's (profiles.yml). Where there is one, ``transaction_timeout`` is 0 as well."""

LOST_HOST = {
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
"""A server that vanishes silently is noticed in half a minute rather than in hours; a URL may say
otherwise."""

# A sign @ that does not end the user and password: after another one, or after a slash.
_RAW_SIGN = re.compile(r"postgres(?:ql)?://[^?]*?[@/][^?]*@")


class ConnectionFailedError(SignalMartsError):
    """A database cannot be reached."""

    exit_code = 3


@dataclass(frozen=True)
class Database:
    """One of the two databases: its side (``primary`` or ``replica``) and its libpq URL.

    ``search_path`` is where its connections look for names without a schema: in the server's own
    schema alone, since a function or an operator in ``public`` may be another user's.
    """

    side: str
    url: str
    search_path: str = "pg_catalog"

    def __repr__(self) -> str:
        return f"Database({self.side}, {self.address})"

    @property
    def address(self) -> str:
        """Host, port and database, without user and password."""
        info = self.parameters()
        host = info.get("host") or "localhost"
        return f"{host}:{info.get('port') or '5432'}/{info.get('dbname') or ''}"

    def parameters(self) -> dict[str, str]:
        """libpq parameters that the URL sets."""
        # libpq would take the rest of such a password as the host or the database, and both are
        # shown in messages.
        if _RAW_SIGN.match(self.url):
            raise UsageError(
                f"the {self.side}'s URL has a / or an @ that is not percent-encoded; in a user, a "
                "password or a database's name write %2F and %40"
            )
        try:
            given = conninfo.conninfo_to_dict(self.url)
        except psycopg.ProgrammingError:
            # libpq's message may quote the URL, and with it the password.
            raise UsageError(
                f"the {self.side}'s URL is not a libpq URL; it looks like "
                "postgresql://user:password@host:5432/database"
            ) from None
        return {name: str(value) for name, value in given.items() if value is not None}

    def environment(self) -> dict[str, str]:
        """The URL as libpq's own variables (PGHOST, PGPORT, ...), as dbt reads them.

        A parameter that the URL leaves out has libpq's default, which may differ from the dbt
        profile's.
        """
        defaults = pq.Conninfo.get_defaults()
        given = {
            option.keyword.decode(): (option.val or b"").decode()
            for option in defaults
            if option.keyword in (b"host", b"port", b"user", b"dbname")
        } | self.parameters()
        given["dbname"] = given["dbname"] or given["user"]
        names = {o.keyword.decode(): o.envvar.decode() for o in defaults if o.envvar}
        return {names[k]: v for k, v in given.items() if k in names}

    def pinned(self) -> Database:
        """The same with what libpq's variables, services and password files say now.

        While dbt builds in this process, those variables are of its login. libpq reads them when it
        begins to connect: the server need not be there.
        """
        begun = pq.PGconn.connect_start(conninfo.make_conninfo(**self.parameters()).encode())
        pinned = {
            option.keyword.decode(): option.val.decode()
            for option in begun.info
            if option.keyword in (b"host", b"port", b"user", b"dbname") and option.val
        }
        if begun.password:
            pinned["password"] = begun.password.decode()
        begun.finish()
        return Database(self.side, conninfo.make_conninfo(self.url, **pinned), self.search_path)

    @contextmanager
    def connect(
        self, *, autocommit: bool = False, application: str = "signal-marts", options: str = ""
    ) -> Iterator[Connection]:
        """A direct connection with the settings of SESSION; raise ConnectionFailedError for none.

        ``options`` are command-line options of the server, such as ``-c lock_timeout=2s``.
        """
        given = LOST_HOST | self.parameters()
        ours = session_options(SESSION | {"search_path": self.search_path})
        # A host that is lost lets go of its locks.
        ours += " -c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3"
        # Only the URL may say as which role.
        given["options"] = f"-c role=none {given.get('options', '')} {ours} {options}".strip()
        given["application_name"] = application
        try:
            connection = psycopg.connect(autocommit=True, **given)  # type: ignore[arg-type]
        except psycopg.OperationalError as error:
            if "unsupported startup parameter" in str(error):
                raise ConnectionFailedError(
                    f"the {self.side}'s URL ({self.address}) goes through a connection pooler; "
                    "use the server's direct URL"
                ) from None
            raise ConnectionFailedError(
                f"cannot connect to the {self.side} at {self.address}: "
                f"{str(error).strip().splitlines()[0].removeprefix('connection failed: ')}"
            ) from None
        with connection:
            lift_transaction_timeout(connection)
            connection.autocommit = autocommit
            yield connection


def session_options(settings: Mapping[str, str]) -> str:
    """The server's command-line options of a session with these settings."""
    return " ".join(
        f"-c {name}=" + value.replace("\\", r"\\").replace(" ", r"\ ")
        for name, value in settings.items()
    )


def read_only(statement_timeout: str, lock_timeout: str = "0") -> str:
    """The options of a session whose server refuses writes, and ends what takes longer."""
    return session_options(
        {
            "default_transaction_read_only": "on",
            "statement_timeout": statement_timeout,
            "lock_timeout": lock_timeout,
        }
    )


def has_transaction_timeout(connection: Connection) -> bool:
    """Whether the server knows this setting; an older one refuses a session that asks for it."""
    return connection.info.server_version >= 170000


def lift_transaction_timeout(connection: Connection) -> None:
    """Let an autocommit connection's transactions take as long as they need."""
    if has_transaction_timeout(connection):
        connection.execute("set transaction_timeout = 0")


def scalar(connection: Connection, query: str, parameters: Sequence[Any] | None = None) -> Any:
    """The single value that ``query`` returns, or None where it returns no row."""
    row = connection.execute(query, parameters).fetchone()
    return None if row is None else row[0]
