"""The doctor: every precondition on both sides, each with its mend; and the status of all.

Nothing is written, but by ``status --compare``. Rooms it imports: servers, replication, deploy,
build, platform, retraining.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

import psycopg

from runner.doctor.checks import OF_BOTH, OF_PRIMARY, OF_REPLICA, project_files, surroundings
from runner.doctor.findings import OPTIONS, Finding, Given, Server, ok, unknown, wrong
from runner.errors import SignalMartsError, UsageError
from runner.servers.contract import read_contract
from runner.servers.database import ConnectionFailedError, Database

__all__ = ["Finding", "examine"]


def examine(
    primary: Database, replica: Database, replication_url: str | None = None
) -> list[Finding]:
    """Check both sides and the environment; return the findings, in the order of the checks.

    ``replication_url`` is how the replica reaches the primary, where that is not the primary's URL.
    A side that cannot be reached is a finding, and its checks are left out; a check that could not
    look (a privilege, a time-out) is a finding of level ``unknown``. No finding holds a password.
    """
    findings = _run("project", (), project_files)
    try:
        contract = read_contract()
    except SignalMartsError as error:
        findings.append(wrong(str(error), "edit that sources file", check="contract", side="here"))
        contract = ()
    given = Given(contract, replication_url)
    with ExitStack() as connections:
        servers = {}
        for database, checks in ((primary, OF_PRIMARY), (replica, OF_REPLICA)):
            server = _reach(database, connections, findings)
            if server is None:
                continue
            servers[database.side] = server
            for name, check in checks.items():
                findings += _run(name, (server,), partial(check, server, given))
        if len(servers) == 2:
            both = (servers["primary"], servers["replica"])
            for name, check_both in OF_BOTH.items():
                findings += _run(name, both, partial(check_both, *both, given))
    findings += _run("environment", (), partial(surroundings, primary, replica, replication_url))
    return findings


def _reach(database: Database, connections: ExitStack, findings: list[Finding]) -> Server | None:
    """Connect to a side, and say how that went."""
    side = database.side
    told = {"check": "connection", "side": side}
    try:
        connection = connections.enter_context(
            database.connect(autocommit=True, application="signal-marts doctor", options=OPTIONS)
        )
    except UsageError as error:
        findings.append(wrong(str(error), f"set {side.upper()}_URL anew", **told))
    except ConnectionFailedError as error:
        said = " ".join(str(error).split())
        findings.append(wrong(said, _how_to_reach(side, said), **told))
    else:
        info = connection.info
        findings.append(ok(f"{database.address} as {info.user}", **told))
        return Server(database, connection)
    return None


def _how_to_reach(side: str, message: str) -> str:
    url = f"{side.upper()}_URL"
    if "connection pooler" in message:
        return f"a connection pooler refuses our options: give the server's direct URL in {url}"
    if "authentication failed" in message or "no password supplied" in message:
        return f"set user and password in {url} (or in the file that PGPASSFILE names)"
    if "does not exist" in message:
        return f"create it, or name another one in {url}"
    return (
        f"start the server (the embedded pair: signal-marts up), let this machine through its "
        f"firewall, or correct {url}"
    )


def _run(
    name: str, servers: Iterable[Server], check: Callable[[], Iterator[Finding]]
) -> list[Finding]:
    """The findings of a check; an error of the check itself is a finding too."""
    servers = list(servers)
    side = servers[0].side if len(servers) == 1 else "both" if servers else "here"
    if any(server.connection.closed for server in servers):
        return []  # Told when it was lost.
    found: list[Finding] = []
    try:
        found.extend(check())
    except psycopg.Error as error:
        said = error.diag.message_primary or str(error).strip() or type(error).__name__
        if any(server.connection.closed for server in servers):
            mend = f"look into the log of the {side}'s server, and run signal-marts doctor again"
            found.append(wrong(f"the connection was lost: {said}", mend))
        elif isinstance(error, psycopg.errors.InsufficientPrivilege):
            login = " and ".join(sorted({server.login for server in servers}))
            mend = f"let {login} read it, or run signal-marts doctor as the login that deploys"
            found.append(unknown(f"could not look: {said}", mend))
        else:
            mend = "run signal-marts doctor again; should it stay, ask the server's log why"
            found.append(unknown(f"could not look: {said}", mend))
    except (SignalMartsError, OSError) as error:
        found.append(wrong(str(error), "mend what the message names"))
    return [replace(f, check=f.check or name, side=f.side or side) for f in found]
