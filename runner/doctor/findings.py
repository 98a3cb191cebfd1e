"""Types that the doctor's checks share: findings, and a side that was reached."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal

from psycopg import sql

from runner.servers.contract import Table
from runner.servers.database import Connection, Database, read_only, scalar

# The servers themselves refuse a write, and no check waits long for a lock.
OPTIONS = read_only("15s", "2s")

Level = Literal["ok", "warning", "wrong", "unknown"]


@dataclass(frozen=True)
class Finding:
    """A result of a check.

    ``side`` is ``primary``, ``replica``, ``both`` or ``here``. ``wrong``: a deploy or a build fails
    or lets someone see too much; ``warning``: it may one day; ``unknown``: the check could not
    look. ``mend`` is a statement to paste or an instruction; on an ``ok`` it is a note, or empty.
    A check leaves ``check`` and ``side`` empty where they are those under which it runs.
    """

    level: Level
    text: str
    mend: str = ""
    check: str = ""
    side: str = ""


@dataclass(frozen=True)
class Given:
    """The inputs of the checks."""

    contract: tuple[Table, ...]
    replication_url: str | None


@dataclass(frozen=True)
class Server:
    """A side that was reached, with a read-only autocommit connection to it."""

    database: Database
    connection: Connection

    @property
    def side(self) -> str:
        """``primary`` or ``replica``."""
        return self.database.side

    @property
    def login(self) -> str:
        """The user that we connected as."""
        return self.connection.info.user

    @property
    def quoted_login(self) -> str:
        """The same, for a statement to paste."""
        return quoted(self.login)

    @property
    def quoted_database(self) -> str:
        """The database's name, for a statement to paste."""
        return quoted(self.connection.info.dbname)

    @cached_property
    def major(self) -> int:
        """The server's major version."""
        return self.connection.info.server_version // 10000

    @cached_property
    def attributes(self) -> frozenset[str]:
        """Attributes of the login: superuser, createrole, replication."""
        row = self.connection.execute(
            "select rolsuper, rolcreaterole, rolreplication from pg_roles"
            " where rolname = current_user"
        ).fetchone()
        held = zip(("superuser", "createrole", "replication"), row or (), strict=False)
        return frozenset(name for name, is_held in held if is_held)

    @property
    def is_superuser(self) -> bool:
        """Whether the login may do everything."""
        return "superuser" in self.attributes

    def has(self, *attributes: str) -> bool:
        """Whether the login holds all of these attributes, or is a superuser."""
        return self.is_superuser or self.attributes >= set(attributes)

    def missing_roles(self, names: Sequence[str]) -> list[str]:
        """Those of the roles that the server does not have."""
        rows = self.connection.execute(
            "select name from unnest(%s::text[]) with ordinality as names (name, position)"
            " where to_regrole(quote_ident(name)) is null order by position",
            (list(names),),
        )
        return [name for (name,) in rows]

    def acts_as(self, role: str) -> bool:
        """Whether the login has the role's privileges and may become it."""
        switch = "set" if self.major >= 16 else "member"
        return bool(
            scalar(
                self.connection,
                "select pg_has_role(%s::name, 'usage') and pg_has_role(%s::name, %s)",
                (role, role, switch),
            )
        )

    def administers(self, role: str) -> bool:
        """Whether the login may grant an existing role; until 15, CREATEROLE is enough for that."""
        if self.is_superuser or (self.major < 16 and self.has("createrole")):
            return True
        return bool(
            scalar(
                self.connection,
                "select pg_has_role(%s::name, 'member with admin option')",
                (role,),
            )
        )


ok = partial(Finding, "ok")
warning = partial(Finding, "warning")
wrong = partial(Finding, "wrong")
unknown = partial(Finding, "unknown")


def is_local(host: str, address: str = "") -> bool:
    """Whether a host (a name, an address or a socket's folder) is this machine itself."""
    if not host and not address:
        return True
    if host.startswith(("/", "@")) or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(address or host).is_loopback
    except ValueError:
        return False


def reached_locally(server: Server) -> bool:
    """Whether the connection to a side stays on this machine."""
    info = server.connection.info
    return is_local(info.host, info.hostaddr)


def is_same_place(one: str, other: str) -> bool:
    """Whether two settings are the same, or two names of this machine."""
    return one == other or (is_local(one) and is_local(other))


def read_setting(connection: Connection, name: str) -> int:
    """A setting in its own unit."""
    return int(
        scalar(connection, "select setting::bigint from pg_settings where name = %s", (name,))
    )


def row(
    connection: Connection, query: str, parameters: Sequence[object] | None = None
) -> tuple[Any, ...]:
    """The single row of a query that always returns one."""
    return connection.execute(query, parameters).fetchone() or ()


def quoted(name: str) -> str:
    """An identifier, quoted for a statement to paste."""
    return sql.Identifier(name).as_string()


def quoted_table(qualified: str) -> str:
    """The same for ``schema.table``."""
    return sql.Identifier(*qualified.split(".", 1)).as_string()


def size(number: int) -> str:
    """Bytes in a unit that reads well, rounded down."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1024 or unit == "GB":
            break
        number //= 1024
    return f"{number:,} {unit}"


def minutes(seconds: float) -> str:
    """Seconds as whole minutes."""
    return f"{seconds / 60:,.0f} minutes"
