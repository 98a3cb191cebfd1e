"""The rules of migrations: each with texts that break it and texts that keep it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import children
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.deploy import migrations
from runner.deploy.migration_rules import Problem, check_folder
from runner.settings import PROJECT

HEADER = "-- Things.\n-- depends:\n"
ALONE = f"{HEADER}-- transactional: false\n"
CREATE = "create table public.things (id bigint);"
DROP = "drop table public.things;"
GOOD = {"0001_things.sql": f"{HEADER}\n{CREATE}\n", "0001_things.rollback.sql": f"{DROP}\n"}
SECOND = {
    "0002_more.sql": f"-- More.\n-- depends: 0001_things\n\n{CREATE}\n",
    "0002_more.rollback.sql": f"{DROP}\n",
}


def check(files: dict[str, str]) -> list[tuple[str, int, str]]:
    """File name, line and rule of each problem of such a folder."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        for file, text in files.items():
            (folder / file).write_bytes(text.encode())
        return [(problem.file.name, problem.line, problem.rule) for problem in check_folder(folder)]


def check_statements(sql: str, header: str = HEADER) -> list[str]:
    """Rules that a migration of such statements breaks."""
    return [rule for _, _, rule in check(GOOD | {"0001_things.sql": f"{header}\n{sql}\n"})]


def test_the_projects_migrations_keep_to_the_rules() -> None:
    assert check_folder(PROJECT / "migrations") == []


def test_good_migrations_have_no_problem() -> None:
    assert check(GOOD | SECOND | {"README.md": "what is here"}) == []
    assert check({file: text.replace("\n", "\r\n") for file, text in GOOD.items()}) == []


def test_a_problem_is_shown_as_compilers_do() -> None:
    assert str(Problem(Path("a/b.sql"), 3, "rename", "mend")) == "a/b.sql:3: rename: mend"


# --- files ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "text", "rule"),
    [
        ("things.sql", CREATE, "name"),
        ("0001-things.sql", CREATE, "name"),
        ("post-apply.sql", CREATE, "name"),
        ("0002_more.py", "", "name"),
        ("0002_gone.rollback.sql", DROP, "rollback"),
        ("0001_things.rollback.sql", "", "empty"),
        ("0001_things.rollback.sql", "-- nothing\n;\n", "empty"),
        ("0001_things.sql", f"{HEADER}\n/* nothing */", "empty"),
    ],
)
def test_files_are_named_and_paired(file: str, text: str, rule: str) -> None:
    assert check(GOOD | {file: text}) == [(file, 1, rule)]


def test_files_are_utf_8(tmp_path: Path) -> None:
    for file, text in GOOD.items():
        (tmp_path / file).write_text(text + "-- Größe\n", "utf-8")
    assert check_folder(tmp_path) == []
    latin = tmp_path / "0001_things.sql"
    latin.write_text(GOOD[latin.name] + "-- Größe\n", "latin-1")
    assert [(problem.file, problem.rule) for problem in check_folder(tmp_path)] == [
        (latin, "encoding")
    ]


def test_a_migration_has_a_rollback() -> None:
    assert check({"0001_things.sql": GOOD["0001_things.sql"]}) == [
        ("0001_things.sql", 1, "rollback")
    ]


@pytest.mark.parametrize("number", ["0000", "0001", "0003", "0010"])
def test_numbers_are_consecutive(number: str) -> None:
    more = {file.replace("0002", number): text for file, text in SECOND.items()}
    # "more" comes before "things", so a number that is not new takes the first one's place too.
    assert "number" in {rule for _, _, rule in check(GOOD | more)}


def test_the_first_number_is_one() -> None:
    assert check({file.replace("0001", "0002"): text for file, text in GOOD.items()}) == [
        ("0002_things.sql", 1, "number")
    ]


def test_a_folder_without_migrations_is_a_problem(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        assert [problem.rule for problem in check_folder(folder)] == ["name"]


# --- headers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        "",
        "\ufeff-- Things.\n-- depends:\n",
        "/* Ours. */\n-- Things.\n-- depends:\n",
        "\n-- Things.\n-- depends:\n",
        " -- Things.\n-- depends:\n",
        "-- depends:\n",
        "-- depends: of things.\n-- depends:\n",
        "-- Things\n-- depends:\n",
        "-- Things.\n",
        "-- Things.\n\n-- depends:\n",
        "-- Things.\n-- transactional: false\n-- depends:\n",
        "-- Things.\n-- depends:\n-- depends:\n",
        "-- Things.\n-- depends:\n-- and so on\n",
        "-- Things.\n-- depends:\n-- transactional: true\n",
        "-- Things.\n-- depends:\n-- transactional: False\n",
        "-- Things.\n-- depends:\n\n-- transactional: false\n",
        "-- Things.\n-- depends:\n\n-- why\n\n  --depends : 0001_things\n",
    ],
)
def test_a_header_has_one_form(header: str) -> None:
    assert check_statements(CREATE, header) == ["header"]


def test_a_comment_after_the_header_is_no_directive() -> None:
    assert check_statements(f"-- what this depends on: nothing\n{CREATE}") == []
    assert check_statements(f"{CREATE}\n-- depends: nobody reads this\n") == []


def test_a_rollback_has_no_directive() -> None:
    for directive in ("-- depends: 0001_things", "-- why\n\n-- transactional: false"):
        text = f"{directive}\n{DROP}"
        assert check(GOOD | {"0001_things.rollback.sql": text}) == [
            ("0001_things.rollback.sql", text.count("\n"), "header")
        ]


@pytest.mark.parametrize("depends", ["", " 0002_more", " 0001", " 0001_things 0002_more"])
def test_each_depends_on_the_one_before(depends: str) -> None:
    more = f"-- More.\n-- depends:{depends}\n\n{CREATE}\n"
    assert check(GOOD | SECOND | {"0002_more.sql": more}) == [("0002_more.sql", 2, "depends")]


def test_the_first_depends_on_nothing() -> None:
    first = f"-- Things.\n-- depends: 0002_more\n\n{CREATE}\n"
    assert check(GOOD | {"0001_things.sql": first}) == [("0001_things.sql", 2, "depends")]


# --- statements -------------------------------------------------------------------------------

BROKEN = {
    "transaction": [
        "begin;",
        "BEGIN ISOLATION LEVEL SERIALIZABLE;",
        "-- why\nstart  transaction;",
        "select 1; /* why */ commit;",
        "select 1; end;",
        "rollback",
        "rollback to here;",
        "abort;",
        "savepoint here;",
        "release here;",
        "prepare transaction 'x';",
    ],
    "if-not-exists": [
        "create index concurrently if not exists a on public.b (c);",
        "CREATE UNIQUE INDEX\n    CONCURRENTLY IF NOT EXISTS a on public.b (c);",
    ],
}

KEPT = [
    "",
    "comment on table public.a is 'begin; commit';",
    "/* begin; */ select 1; -- commit;\n",
    "select $x$; commit; create index concurrently if not exists a on public.b (c) $x$;",
    "select case when true then 1 else 2 end;",
    "do $$ begin begin perform 1; end; end $$;",
    "create function public.a() returns trigger language plpgsql as $$ begin commit; end $$;",
    "create function public.a() returns table (b int) begin atomic select 1; select 2; end;",
    'create table "public" . "a;b" (b int, constraint "commit" check (b > 0));',
    "create unique index if not exists a on public.b (c);",
    "refresh materialized view concurrently public.a;",
]


@pytest.mark.parametrize(
    ("rule", "sql"), [(rule, sql) for rule, examples in BROKEN.items() for sql in examples]
)
def test_a_statement_breaks_a_rule(rule: str, sql: str) -> None:
    assert check_statements(f"{CREATE}\n{sql}") == [rule]


@pytest.mark.parametrize("sql", KEPT)
def test_a_statement_keeps_to_the_rules(sql: str) -> None:
    assert check_statements(f"{CREATE}\n{sql}") == []


@pytest.mark.parametrize("rule", BROKEN)
def test_rollbacks_keep_to_them_too(rule: str) -> None:
    text = f"{DROP}\n\n{BROKEN[rule][0]}"
    assert check(GOOD | {"0001_things.rollback.sql": text}) == [
        ("0001_things.rollback.sql", 3, rule)
    ]


def test_a_problem_has_its_own_line() -> None:
    sql = (
        "-- why\ncreate index concurrently\n    if not exists a on public.b (c);\n\n-- why\ncommit;"
    )
    assert check(GOOD | {"0001_things.sql": f"{HEADER}\n{sql}\n"}) == [
        ("0001_things.sql", 6, "if-not-exists"),
        ("0001_things.sql", 9, "transaction"),
    ]


# --- without a transaction --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "rules"),
    [
        ("create index concurrently a on public.b (c);", []),
        ("-- why\ncreate unique index concurrently a on public.b (c)", []),
        ("drop index concurrently if exists public.a; -- done", []),
        ("vacuum public.a;", []),
        ("create index concurrently if not exists a on public.b (c);", ["if-not-exists"]),
        ("select 1; vacuum public.a;", ["one-statement"]),
        ("select 1;\nselect 2;\nselect 3;", ["one-statement"] * 2),
        ("select ';'; ; /* ; */ -- ;", []),
    ],
)
def test_without_a_transaction_one_statement_stands_alone(sql: str, rules: list[str]) -> None:
    assert check_statements(sql, ALONE) == rules


def test_without_a_transaction_the_rollback_has_one_statement_too() -> None:
    alone = {"0001_things.sql": f"{ALONE}\n{CREATE}\n"}
    assert check(GOOD | alone) == []
    drop = "drop index concurrently public.a;"
    assert check(GOOD | alone | {"0001_things.rollback.sql": drop}) == []
    assert check(GOOD | alone | {"0001_things.rollback.sql": f"{drop}\n{DROP}"}) == [
        ("0001_things.rollback.sql", 2, "one-statement")
    ]


# --- whatever the text ------------------------------------------------------------------------

# sqlparse, and so yoyo, takes a backslash for an escape, and ends nested comments at the first
# end: those two it cuts otherwise than PostgreSQL does.
ANY_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\\\r\n")) | st.lists(
    st.sampled_from([sql for examples in BROKEN.values() for sql in examples if "\n" not in sql])
).map(" ".join)


@pytest.mark.parametrize("header", [HEADER, ALONE])
@settings(deadline=None)
@given(text=ANY_TEXT)
def test_what_is_quoted_breaks_no_rule(header: str, text: str) -> None:
    in_comment = text.replace("*/", "").replace("/*", "")
    quoted = (
        f"select '{text.replace(chr(39), chr(39) * 2)}',"
        f' "x{text.replace(chr(34), chr(34) * 2)}", $q${text.replace("$", "")}$q$,'
        f" /*{in_comment} */ 1 --{text}\n + 2;"
    )
    assert check_statements(quoted, header) == []
    assert check_statements(f"do $q$ begin perform 1; /*{in_comment} */ end $q$", header) == []


# --- where they are checked -------------------------------------------------------------------


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    return children.run(
        [sys.executable, "-m", "runner.deploy.migration_rules", str(folder)],
        cwd=PROJECT,
        check=False,
        capture_output=True,
        text=True,
    )


def test_as_a_command(tmp_path: Path) -> None:
    done = run(Path("migrations"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    (tmp_path / "0001_things.sql").write_text(f"{HEADER}\n{CREATE}\ncommit;\n")
    done = run(tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    lines = done.stdout.splitlines()
    assert [line.split("0001_things.sql")[1].split(": ")[:2] for line in lines] == [
        [":1", "rollback"],
        [":5", "transaction"],
    ]


def test_deploy_refuses_a_folder_that_breaks_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "check_ledger", lambda *_: None)
    (tmp_path / "0001_things.sql").write_text(f"{HEADER}\n{CREATE}\n")
    nowhere = cast(Any, None)  # no database is asked
    with pytest.raises(migrations.MigrationError, match=r"0001_things\.sql:1: rollback: write"):
        migrations.apply(nowhere, nowhere, lock_timeout=1, report=print, folder=tmp_path)
