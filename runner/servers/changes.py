"""Changes to the two databases: made and reported, or in a dry run only shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from psycopg import sql

from runner.servers.database import Connection

Statement = str | sql.SQL | sql.Composed


@dataclass
class Changes:
    """Runs statements and reports each change in a line; a dry run shows the statements instead.

    ``made`` lists the changes that were made, or would have been made.
    """

    report: Callable[[str], None]
    is_dry_run: bool = False
    made: list[str] = field(default_factory=list)

    def run(
        self,
        side: str,
        what: str,
        connection: Connection,
        *statements: Statement,
        in_transaction: bool = False,
    ) -> None:
        """Run statements on a side's autocommit connection, in one transaction where asked."""
        self.made.append(f"{side}: {what}")
        if self.is_dry_run:
            self.report(f"-- {side}: {what}")
            for statement in statements:
                text = statement if isinstance(statement, str) else statement.as_string(connection)
                self.report(f"{text.strip().rstrip(';')};")
            return
        if in_transaction:
            with connection.transaction():
                for statement in statements:
                    connection.execute(statement)
        else:
            for statement in statements:
                connection.execute(statement)
        self.report(f"{side}: {what}")
