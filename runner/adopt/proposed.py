"""A proposed mapping file as text: YAML with the reason for each line beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import yaml

from runner.adopt.catalog import Found
from runner.platform import expressions
from runner.platform.expressions import THIS
from runner.platform.roles import ROLES
from runner.progress import harmless


@dataclass
class Line:
    """A column of a role: its expression, the words for its texts, the reason, and what is left."""

    value: str
    reason: str
    words: Mapping[str, list[str]] = field(default_factory=dict)
    unmapped: list[str] = field(default_factory=list)


@dataclass
class Proposed:
    """A role: its table, lookups by alias, filter, lines by column, and what may be signal keys."""

    table: str
    reason: str
    lines: dict[str, Line]
    lookups: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    where: str | None = None
    likely_key: str = ""


def written(
    roles: Mapping[str, Proposed],
    found: Mapping[str, Found],
    timezone: str,
    nearest: Mapping[str, str],
) -> str:
    """The file's text; ``nearest`` says what comes nearest to a role that no table looks like."""
    lines = [
        "# Proposed by signal-marts adopt, with the reason for each line beside it. Change",
        "# what is wrong, then run signal-marts adopt --check.",
        "",
        "# Zone of times without one.",
        f"timezone: {timezone}",
        "",
        "# What leaves the primary.",
        "tables:",
    ]
    for name, columns in sorted(_used(roles, found).items()):
        lines.append(f"  {_scalar(name)}:")
        types = found[name].columns
        lines += [f"    {_scalar(c)}: {types[c]}" for c in types if c in columns]
    for role in ROLES:
        lines += ["", *_role_text(role, roles.get(role), nearest.get(role, ""))]
    return "\n".join(lines) + "\n"


def _used(roles: Mapping[str, Proposed], found: Mapping[str, Found]) -> dict[str, set[str]]:
    used: dict[str, set[str]] = {}
    for proposed in roles.values():
        own = used.setdefault(proposed.table, set())
        own.update(found[proposed.table].key)
        scope = {THIS: list(found[proposed.table].columns)}
        tables = {THIS: proposed.table}
        for alias, (table, key, column) in proposed.lookups.items():
            used.setdefault(table, set()).update({key, *found[table].key})
            own.add(column)
            scope[alias], tables[alias] = list(found[table].columns), table
        values = [line.value for line in proposed.lines.values()]
        for value in [*values, *([proposed.where] if proposed.where else [])]:
            for alias, column in expressions.read(value, scope).columns:
                used.setdefault(tables[alias], set()).add(column)
    return used


def _role_text(role: str, proposed: Proposed | None, nearest: str) -> Iterator[str]:
    if proposed is None:
        yield f"# No table looks like {role}" + (f"; {_comment(nearest)}" if nearest else "") + "."
        yield f"{role}: absent"
        return
    if proposed.reason:
        yield f"# {_comment(proposed.reason)}"
    yield f"{role}:"
    yield f"  table: {_scalar(proposed.table)}"
    if proposed.lookups:
        yield "  lookups:"
    for alias, (table, key, column) in proposed.lookups.items():
        yield f"    {alias}:"
        yield f"      table: {_scalar(table)}"
        yield f"      on: {_flow({key: column})}"
    if proposed.where is not None:
        yield f"  where: {_scalar(proposed.where)}"
    yield "  columns:"
    for column in ROLES[role]:
        if (line := proposed.lines.get(column)) is None:
            continue
        if line.unmapped:
            shown = _comment(", ".join(line.unmapped))
            yield f"    # CHECK: rows with these words are set aside: {shown}"
        comment = f"  # {_comment(line.reason)}"
        if not line.words:
            yield f"    {column}: {_scalar(line.value)}{comment}"
            continue
        yield f"    {column}:{comment}"
        yield f"      value: {_scalar(line.value)}"
        yield "      words:"
        for word, texts in line.words.items():
            yield f"        {word}: {_flow(texts)}"
    if proposed.likely_key:
        key = _comment(_scalar(proposed.likely_key))
        yield f"    # signal_key: {key}, if it has keys of AI signals"


def _flow(value: object) -> str:
    """A list or a mapping as YAML has it on one line."""
    written = yaml.safe_dump(value, width=100_000, allow_unicode=True, default_flow_style=True)
    return str(written).strip()


def _scalar(text: str) -> str:
    """A text as YAML has it on one line."""
    style = None if text.isprintable() else '"'
    written = yaml.safe_dump(text, width=100_000, allow_unicode=True, default_style=style)
    return str(written).removesuffix("...\n").strip("\n")


def _comment(text: str) -> str:
    return harmless(" ".join(text.split()))[:200]
