"""What every migration keeps to, checked on its text before a database sees it.

yoyo reads a header only where it expects it, cuts files with sqlparse, runs on any search_path and
takes a missing folder or rollback for an empty one: all of that without a word. squawk, the linter
of the statements themselves, knows nothing of yoyo. ``python -m runner.deploy.migration_rules``
checks the project's own folder. DDL in a string that a ``do`` block executes is beyond these rules.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click
from sqlparse import lexer
from sqlparse import tokens as kinds
from sqlparse.engine import FilterStack

from runner.settings import PROJECT

# Offset into the file's text, rule, message.
_Finding = tuple[int, str, str]


@dataclass(frozen=True, order=True)
class Problem:
    """A line of a migration that breaks a rule; the message holds the mend."""

    file: Path
    line: int
    rule: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.rule}: {self.message}"


def check_folder(folder: Path) -> list[Problem]:
    """Problems of a folder of migrations, by file and line; none where it keeps to every rule.

    A folder that is missing or holds no migration is a problem as well. Raises OSError where a
    file cannot be read.
    """
    problems: list[Problem] = []
    texts: dict[str, str] = {}
    for path in sorted(folder.glob("*")):
        if path.suffix not in (".sql", ".py"):
            continue
        if not _FILE_NAME.fullmatch(path.name):
            problems.append(
                Problem(path, 1, "name", "call it NNNN_name.sql or NNNN_name.rollback.sql")
            )
            continue
        try:
            texts[path.name] = path.read_text("utf-8")
        except UnicodeDecodeError:
            problems.append(Problem(path, 1, "encoding", "save it as UTF-8"))
            texts[path.name] = path.read_text("utf-8", errors="replace")

    migrations = [name.removesuffix(".sql") for name in texts if ".rollback." not in name]
    if not migrations:
        problems.append(Problem(folder, 1, "name", "no migration is here: is this the project?"))
    for name in texts:
        migration = name.removesuffix(".rollback.sql")
        if name.endswith(".rollback.sql") and migration not in migrations:
            message = f"there is no {migration}.sql that it undoes; remove it"
            problems.append(Problem(folder / name, 1, "rollback", message))

    previous = ""
    for migration in migrations:
        file, rollback = f"{migration}.sql", f"{migration}.rollback.sql"
        number = int(previous[:4] or 0) + 1
        header = _HEADER.match(texts[file])
        is_alone = header is not None and header["alone"] is not None
        found = {file: [*_check_header(texts[file], previous), *_check_code(texts[file], is_alone)]}
        if int(migration[:4]) != number:
            found[file].append((0, "number", f"number it {number:04}, the one after the last"))
        if rollback in texts:
            found[rollback] = [
                *_check_directives(texts[rollback], 0, "remove it: a rollback has no header"),
                *_check_code(texts[rollback], is_alone),
            ]
        else:
            message = f"write {rollback}: without it yoyo undoes the mark and leaves the objects"
            found[file].append((0, "rollback", message))
        for name, findings in found.items():
            for offset, rule, message in findings:
                line = texts[name].count("\n", 0, offset) + 1
                problems.append(Problem(folder / name, line, rule, message))
        previous = migration
    return sorted(problems)


# --- names and headers ------------------------------------------------------------------------

_FILE_NAME = re.compile(r"[0-9]{4}_[a-z0-9_]+(\.rollback)?\.sql")

_HEADER = re.compile(
    r"-- (?!depends|transactional)[^\n]*\.\n"
    r"-- depends:(?P<depends>[^\n]*)\n"
    r"(?P<alone>-- transactional: false\n)?"
    r"(?!--)"
)

# yoyo looks for directives in all comment lines and empty lines before the first statement.
_LEADING_LINES = re.compile(r"(?:[^\S\n]*(?:--[^\n]*)?\n)*")
_DIRECTIVE = re.compile(r"^\s*--\s*(?:depends|transactional)\s*:", re.MULTILINE)


def _check_header(text: str, previous: str) -> Iterator[_Finding]:
    header = _HEADER.match(text)
    if header is None:
        yield (
            0,
            "header",
            "begin with the lines `-- What it is, with a full stop.`, `-- depends: NNNN_name` and,"
            " if need be, `-- transactional: false`, nothing before them (yoyo takes no notice of"
            " what follows a byte order mark or a block comment) and an empty line after them",
        )
        return
    if header["depends"].split() != previous.split():
        line = f"-- depends: {previous}".strip()
        yield header.start("depends"), "depends", f"write `{line}`: each on the one before it"
    yield from _check_directives(text, header.end(), "move it to the header: yoyo heeds it here")


def _check_directives(text: str, start: int, mend: str) -> Iterator[_Finding]:
    leading = _LEADING_LINES.match(text, start)
    assert leading is not None, "the pattern matches no lines as well"  # noqa: S101
    for directive in _DIRECTIVE.finditer(text, start, leading.end()):
        yield directive.end(), "header", mend


# --- statements -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Statement:
    """A statement where yoyo's splitter cuts it.

    ``code`` is as long as the text from ``offset`` on, where its first word stands, and blank where
    that is a comment or quoted; ``ddl`` is the same, with the body of a ``do`` block read as code.
    """

    offset: int
    code: str
    ddl: str


def _statements(text: str) -> Iterator[_Statement]:
    offset = 0
    for parsed in FilterStack().run(text):  # type: ignore[no-untyped-call]
        tokens = [(token.ttype, token.value) for token in parsed.flatten()]
        code = _code(tokens)
        first = len(code) - len(code.lstrip())
        is_do = re.match(r"do\b", code[first:], re.IGNORECASE)
        ddl = _code(tokens, with_bodies=True) if is_do else code
        if code.strip(" \t\n;"):
            yield _Statement(offset + first, code[first:], ddl[first:])
        offset += len(code)


def _code(tokens: Iterable[tuple[object, str]], *, with_bodies: bool = False) -> str:
    """The tokens' text, at its length, blank where it is a comment, a string or a body."""
    parts = []
    for kind, value in tokens:
        if kind is kinds.Literal and with_bodies:
            mark = " " * (value.index("$", 1) + 1)
            body = value[len(mark) : -len(mark)]
            body = _code(lexer.tokenize(body))  # type: ignore[no-untyped-call]
            parts.append(f"{mark}{body}{mark}")
        elif kind in (kinds.Literal, kinds.String.Single) or kind in kinds.Comment:
            parts.append(" " * len(value))
        elif kind is kinds.String.Symbol:
            # Some name, whatever it is, so that no word in it is taken for a keyword.
            parts.append(" public " if value == '"public"' else "_" * len(value))
        else:
            parts.append(value)
    return "".join(parts)


_NAME = r"[\w$]+(?:\s*\.\s*[\w$]+)*"
_IF_EXISTS = r"(?:if\s+(?:not\s+)?exists\s+)?"

_TRANSACTION = re.compile(
    r"(?:begin|start\s+transaction|commit|end|rollback|abort|savepoint|release"
    r"|prepare\s+transaction)\b",
    re.IGNORECASE,
)
_CONCURRENTLY = re.compile(
    r"(?:create|alter|drop|reindex)\b.*\b(concurrently)\b(?P<keeps>\s+if\s+not\s+exists\b)?",
    re.IGNORECASE | re.DOTALL,
)
_RENAME = re.compile(r"\b(rename)\s+(?:[\w$]+\s+){0,2}to\b", re.IGNORECASE)
_TYPE_CHANGE = re.compile(
    r"\b(alter)\s+(?:column\s+)?[\w$]+\s+(?:set\s+data\s+)?type\b", re.IGNORECASE
)
# A temporary table has a schema of its own, so it is left alone.
_OBJECTS = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b(?:create|alter)\s+(?:or\s+replace\s+|unlogged\s+)?(?:table|function|procedure)\s+"
        rf"{_IF_EXISTS}(?:only\s+)?({_NAME})",
        rf"\balter\s+index\s+{_IF_EXISTS}({_NAME})",
        rf"\bdrop\s+(?:table|index|function|procedure)\s+(?:concurrently\s+)?{_IF_EXISTS}([^;]+)",
        r"\b(?:create\s+(?:unique\s+)?index"
        r"|(?:create|alter|drop)\s+(?:or\s+replace\s+)?(?:constraint\s+)?trigger)\b"
        rf"[^;]*?\bon\s+(?:only\s+)?({_NAME})",
        rf"\bexecute\s+(?:function|procedure)\s+({_NAME})",
    )
]
_NO_NAMES = re.compile(r"\([^()]*\)|\b(?:cascade|restrict)\b", re.IGNORECASE)
_QUALIFIED = re.compile(r"\s*public\s*\.\s*[\w$]+\s*", re.IGNORECASE)


def _check_code(text: str, is_alone: bool) -> Iterator[_Finding]:
    """Rules of statements; ``is_alone`` where yoyo runs them outside a transaction."""
    statements = list(_statements(text))
    if not statements:
        yield 0, "empty", "write what it does: no statement is here"
    for count, statement in enumerate(statements, 1):
        start = statement.offset
        if is_alone and count > 1:
            yield (
                start,
                "one-statement",
                "move it to a migration of its own: without a transaction, a failure here would"
                " leave the file half done",
            )
        if _TRANSACTION.match(statement.code):
            yield start, "transaction", "take it out: it breaks the transaction that yoyo holds"
        yield from _check_concurrently(statement, is_alone)
        for found in _RENAME.finditer(statement.ddl):
            yield (
                start + found.start(1),
                "rename",
                "add the new one, fill it and drop the old one in a later migration: rows under"
                " both names are on their way to the replica",
            )
        for found in _TYPE_CHANGE.finditer(statement.ddl):
            yield (
                start + found.start(1),
                "type-change",
                "add a column of the new type, fill it and drop the old one in a later migration:"
                " the table is locked while it is rewritten, and the replica has the old type",
            )
        for pattern in _OBJECTS:
            for found in pattern.finditer(statement.ddl):
                names = _NO_NAMES.sub("", found[1]).split(",")
                if not all(_QUALIFIED.fullmatch(name) for name in names):
                    yield (
                        start + found.start(1),
                        "qualified",
                        "put `public.` before the name: yoyo's connection may have another"
                        " search_path",
                    )


def _check_concurrently(statement: _Statement, is_alone: bool) -> Iterator[_Finding]:
    found = _CONCURRENTLY.match(statement.code)
    if found is None:
        return
    offset = statement.offset + found.start(1)
    if not is_alone:
        yield (
            offset,
            "concurrently",
            "move it to a migration of its own with `-- transactional: false` in its header: it"
            " cannot run in a transaction",
        )
    if found["keeps"]:
        yield (
            offset,
            "if-not-exists",
            "leave `if not exists` out: it keeps the invalid index of a build that failed; deploy"
            " drops that first",
        )


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=PROJECT / "migrations")
def main(folder: Path) -> None:
    """Check the migrations in FOLDER; print the problems, one a line, and exit with 1 for any."""
    problems = check_folder(Path(os.path.relpath(folder)))
    for problem in problems:
        click.echo(problem)
    raise SystemExit(bool(problems))


if __name__ == "__main__":
    main()
