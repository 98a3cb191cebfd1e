"""Preconditions on the two servers, checked by deploy and ``doctor`` before any write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from runner.replication.login import REPLICATOR
from runner.servers.contract import Table
from runner.servers.database import Connection, Database, scalar
from runner.servers.relations import Problem, read_relations


def reader(replication_url: str | None) -> str | None:
    """The role whose rights count where the replica copies tables.

    Its own login is a member of ``replicator``; None where REPLICATION_URL names no login.
    """
    if replication_url is None:
        return REPLICATOR
    return Database("replication", replication_url).parameters().get("user")


def between(
    primary: Connection, replica: Connection, contract: Sequence[Table]
) -> Iterator[Problem]:
    """The problems that keep this replica from holding this primary's rows."""
    encoding = "select current_setting('server_encoding')"
    yield from encoding_problems(scalar(primary, encoding), scalar(replica, encoding))
    if not replica.info.server_version < 180000 <= primary.info.server_version:
        return  # tables that an older primary cannot publish are reported with the tables
    relations = read_relations(primary, contract)
    for table in contract:
        generated = relations[table.qualified].generated if table.qualified in relations else {}
        for column in table.column_names:
            if generated.get(column) == "s":
                yield Problem(
                    f"column {table.qualified}.{column} is generated, and a replica before "
                    "PostgreSQL 18 does not copy it",
                    "list in the sources what it is generated from, and compute it in the staging "
                    "model; or take a replica of version 18",
                )


def encoding_problems(primary: str, replica: str) -> Iterator[Problem]:
    """Whether the replica's encoding can hold every text of the primary."""
    if primary in ("SQL_ASCII", "MULE_INTERNAL"):
        yield Problem(
            f"the primary's database has the encoding {primary}, which does not say what its texts "
            "mean",
            "dump it, and restore it into a database of the encoding that its programs write: "
            "create database trading template template0 encoding 'UTF8' locale 'C';",
        )
    if replica != "UTF8":
        yield Problem(
            f"the replica's database has the encoding {replica}, which cannot hold every text of "
            "the primary",
            "set REPLICA_URL to another database: "
            "create database analytics template template0 encoding 'UTF8' locale 'C';",
        )
