"""What a deploy that is refused says, and that it left nothing behind."""

from __future__ import annotations

from landscapes import Landscape

from runner.doctor import examine
from runner.servers.database import Connection


def by_hand(connection: Connection, statements: str) -> None:
    """Run statements as pasted, each in a transaction of its own."""
    for line in statements.split(";"):
        if (statement := line.partition("--")[0].strip()) and not line.strip().startswith("--"):
            connection.execute(statement)
        if "--" in line:
            return


def untouched(landscape: Landscape) -> None:
    """Nothing of a deploy is on either side."""
    assert landscape.on_primary(
        "select to_regclass('public.ai_models'), to_regclass('public.yoyo_lock'),"
        " (select count(*) from pg_publication),"
        " (select count(*) from pg_replication_slots where database = current_database())"
    ) == [(None, None, 0, 0)]
    assert landscape.on_replica("select to_regclass('public.micro_patterns')") == [(None,)]


def wrong(landscape: Landscape) -> dict[str, str]:
    """The fixes of the doctor's findings, by message."""
    found = examine(landscape.primary, landscape.replica)
    return {each.text: each.mend for each in found if each.level == "wrong"}
