"""What every migration keeps to, checked on its text before a database sees it.

yoyo reads a header only where it expects it, cuts files with sqlparse, and takes a missing folder
or rollback for an empty one: all of that without a word, so deploy looks before it applies.
``python -m runner.deploy.migration_rules`` checks the project's own folder. What the statements
themselves do is squawk's to say, and PostgreSQL's (docs/decisions/0023-rules-of-migrations.md).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
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


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Each statement where yoyo cuts it: the offset of its first word, and its code from there on.

    The code is blank where it is a comment, a string, a quoted name or a body.
    """
    offset = 0
    for parsed in FilterStack().run(text):  # type: ignore[no-untyped-call]
        code = "".join(
            " " * len(token.value)
            if token.ttype in (kinds.Literal, kinds.String.Single) or token.ttype in kinds.Comment
            else "_" * len(token.value)
            if token.ttype is kinds.String.Symbol
            else token.value
            for token in parsed.flatten()
        )
        if code.strip(" \t\n;"):
            first = len(code) - len(code.lstrip())
            yield offset + first, code[first:]
        offset += len(code)


_TRANSACTION = re.compile(
    r"(?:begin|start\s+transaction|commit|end|rollback|abort|savepoint|release"
    r"|prepare\s+transaction)\b",
    re.IGNORECASE,
)
_KEPT_INDEX = re.compile(
    r"create\b.*\bindex\s+concurrently\s+(if\s+not\s+exists)\b", re.IGNORECASE | re.DOTALL
)


def _check_code(text: str, is_alone: bool) -> Iterator[_Finding]:
    """Rules of statements; ``is_alone`` where yoyo runs them outside a transaction."""
    statements = list(_statements(text))
    if not statements:
        yield 0, "empty", "write what it does: no statement is here"
    for count, (start, code) in enumerate(statements, 1):
        if is_alone and count > 1:
            yield (
                start,
                "one-statement",
                "move it to a migration of its own: without a transaction, a failure here would"
                " leave the file half done",
            )
        if _TRANSACTION.match(code):
            yield start, "transaction", "take it out: it breaks the transaction that yoyo holds"
        if kept := _KEPT_INDEX.match(code):
            yield (
                start + kept.start(1),
                "if-not-exists",
                "leave it out: it keeps the invalid index of a build that failed; deploy drops"
                " that first",
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
