"""A mapping file checked against the platform that it describes."""

from __future__ import annotations

from collections.abc import Iterator

from runner.adopt import catalog, preview
from runner.platform.mapping import Platform
from runner.platform.roles import DAILY, NAIVE
from runner.replication import mapped
from runner.servers.contract import platform_tables
from runner.servers.database import Connection
from runner.servers.relations import problems, read_relations


def faults(primary: Connection, platform: Platform) -> list[str]:
    """What keeps a deploy from using the file, a line each; raise PlatformFileError for its own."""
    tables = platform_tables(platform)
    mapped.check_types(primary, platform)
    mapped.check_keys(platform, read_relations(primary, tables))
    # Rows that a role of the replica may not see are told by doctor, once that role is there.
    return [str(problem) for problem in problems(primary, tables, None)]


def useless(previews: list[preview.Preview]) -> list[str]:
    """Roles of which no row could be used, or whose keys name several rows; a line each."""
    found = [
        f"{seen.role}.columns.{column}: all {count:,} rows would be set aside: {reason}, such as "
        f"{example}"
        for seen in previews
        for column, reason, count, example in seen.set_aside
        if count == seen.count
    ]
    for seen in previews:
        if seen.repeated is not None and seen.role == DAILY:
            found.append(
                f"{seen.role}: the day {seen.repeated} has several rows: write sum(…) where the "
                "table has a row a trade, or map id"
            )
        elif seen.repeated is not None:
            found.append(
                f"{seen.role}.columns.id: {seen.repeated} is the key of several rows; a key names "
                "one row by itself"
            )
    return found


def warnings(
    primary: Connection, platform: Platform, previews: list[preview.Preview]
) -> Iterator[str]:
    """What does not keep a deploy from using the file, and is likely wrong."""
    for table, columns in platform.tables.items():
        for column, data_type in columns.items():
            if data_type != NAIVE:
                continue
            ahead = catalog.hours_ahead(primary, table, column, platform.timezone)
            if ahead is not None:
                yield (
                    f"timezone: the newest {table}.{column} is {ahead} hours ahead of the server's "
                    f"clock if it is in {platform.timezone}"
                )
    for seen in previews:
        for column, reason, count, example in seen.set_aside:
            if count == seen.count:
                continue
            yield (
                f"{seen.role}.columns.{column}: {count:,} of {seen.count:,} rows would be set "
                f"aside: {reason}, such as {example}"
            )
