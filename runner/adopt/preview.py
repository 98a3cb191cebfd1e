"""What a mapping file makes of the platform's rows: a few of them, counts, and what is set aside.

The views' own SQL runs on the primary, on a sample, with the values as replication writes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from psycopg import sql

from runner.adopt.catalog import SAMPLE
from runner.platform import views
from runner.platform.mapping import Platform
from runner.platform.roles import NUMBER, ROLES, TIME, WORD
from runner.servers.database import Connection

_FEW = 5
_PRESENT = ("symbol", "side", "created_at", "date")
# Other spellings that staging knows on every platform.
_SPELLINGS = ("CANCELED", "PARTIALLY FILLED")


@dataclass(frozen=True)
class Preview:
    """A role's columns and first rows as texts, the number of sampled rows, and what is set aside.

    ``repeated`` is a key, or a day of the statistics, that several rows have; None if none has.
    ``set_aside`` has a column, a reason, the number of rows and a value, as staging judges them;
    staging judges more: operations.rejected_rows has all after a build.
    """

    role: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str | None]]
    count: int
    set_aside: Sequence[tuple[str, str, int, str]]
    repeated: str | None


def look(primary: Connection, platform: Platform) -> list[Preview]:
    """What each role of the platform yields, in the order of ROLES."""
    return [_of_role(primary, platform, name) for name in ROLES if name in platform.roles]


def _of_role(primary: Connection, platform: Platform, name: str) -> Preview:
    def sampled(table: str) -> str:
        columns = ", ".join(
            # By the type's own output, as replication sends it: a cast may be code of the owner's.
            f"cast(case when {column} is not null then pg_catalog.format('%s', {column}) end"
            f" as {data_type}) as {column}"
            for column, data_type in (
                (sql.Identifier(raw).as_string(), data_type)
                for raw, data_type in platform.tables[table].items()
            )
        )
        limit = f" limit {SAMPLE}" if table == platform.roles[name].table else ""
        relation = sql.Identifier(*table.split(".", 1)).as_string()
        return f"({_over(relation, columns, limit)}) as sampled"

    query = views.rows(platform, name, sampled)
    columns = [column for column in ROLES[name] if column in platform.roles[name].columns]
    shown = ", ".join(_as_text(name, column) for column in columns)
    mapped = f"({query}) as mapped"
    first = primary.execute(_over(mapped, shown, f"limit {_FEW}")).fetchall()
    reasons = [reason for column in columns for reason in _reasons(name, column)]
    counted = "".join(
        f", count(*) filter (where {broken}),"
        f" min(left(cast({sql.Identifier(column).as_string()} as text), 60))"
        f" filter (where {broken})"
        for column, broken, _ in reasons
    )
    counts = primary.execute(_over(mapped, f"count(*){counted}")).fetchone() or (0,)
    set_aside = [
        (column, reason, counts[2 * n + 1], counts[2 * n + 2] or "NULL")
        for n, (column, _, reason) in enumerate(reasons)
        if counts[2 * n + 1]
    ]
    repeated = primary.execute(
        _over(
            mapped,
            "cast(id as text)",
            "where id is not null group by id having count(*) > 1 limit 1",
        )
    ).fetchone()
    return Preview(
        name, columns, first, counts[0], set_aside, None if repeated is None else repeated[0]
    )


def _as_text(role: str, column: str) -> str:
    name = sql.Identifier(column).as_string()
    return f"cast({f'trim_scale({name})' if ROLES[role][column].kind == NUMBER else name} as text)"


def _over(relation: str, columns: str, tail: str = "") -> str:
    return "\n".join(["select", columns, "from", relation, tail])


def _reasons(role: str, column: str) -> Iterator[tuple[str, str, str]]:
    """Conditions under which a value of a column cannot be used, each with the reason."""
    field, name = ROLES[role][column], sql.Identifier(column).as_string()
    if column in _PRESENT and field.is_required:
        yield column, f"{name} is null", "missing"
    if field.kind == WORD:
        known = ", ".join(f"'{word}'" for word in (*field.words, *_SPELLINGS))
        yield column, f"upper(btrim({name})) not in ({known})", f"none of {', '.join(field.words)}"
    if field.kind == NUMBER:
        yield column, f"not abs({name}) < 1e20", "not a number, or too large"
    if column == "confidence":
        yield column, f"{name} not between 0 and 1", "not between 0 and 1"
    if field.kind == TIME:
        latest = "now() + interval '1 day'"
        yield (
            column,
            f"{name} not between '1971-01-01' and {latest}",
            "before 1971, or in the future",
        )
