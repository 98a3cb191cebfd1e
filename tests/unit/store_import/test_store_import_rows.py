"""Mapping files and rows of old stores, without a database."""

from __future__ import annotations

import csv
import fcntl
import gzip
import re
import sqlite3
import sys
from pathlib import Path
from typing import Any

import children
import pytest
import yaml
from old_stores import HEADER, MAPPING, ROW, changed, check, rejects

from runner.errors import UsageError
from runner.extras import installing
from runner.servers.deploy_lock import LockedError
from runner.store_import import MappingError, Report, SourceError, import_store
from runner.store_import.mapping import FIELDS, read_mapping
from runner.store_import.sources import open_source

# --- the mapping file ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "value", "problem"),
    [
        ("colums", {}, "colums is no part of it: source, dest"),
        ("source", "Old Store", "source is a name of up to 60"),
        ("source", None, "m.yml:1: source is missing"),
        ("destination", "signals", "destination Input should be 'ai_trading_signals'"),
        ("key", None, "key is missing: the store's columns that name a row"),
        ("key", ["nr"], ":15: key names 'nr', and the store has no such column; it has id, symbol"),
        ("destination", "market_bars", "key is not needed: symbol names a row of market_bars"),
        ("timezone", "Berlin", "timezone 'Berlin' is no time zone"),
        ("earliest", "1985-01-01", "earliest is no part of it"),
        ("delimiter", ";;", "delimiter is one sign"),
        ("nulls", "NULL", "nulls Input should be a valid list"),
        ("table", "signals", "the mapping names a table, and this is no SQLite"),
        ("model", None, "model is missing: model_type"),
        ("model.version", 1.10, r"model.version.value is no text: put 1.1 in quotes"),
        ("model.version", None, "model.version is missing"),
        ("model.version", {}, "model.version has either a column or a value"),
        ("model.config", "x", "model.config is no mapping"),
        ("columns.symbol", None, "columns.symbol is missing: every row needs one"),
        ("columns.Symbol", "x", "columns.Symbol is no field: symbol, signal_type"),
        ("columns.symbol", "sym", "columns.symbol names 'sym', and the store has"),
        ("columns.symbol", {"value": True}, "put True in quotes"),
        ("columns.symbol", {"column": "symbol", "value": "X"}, "either a column or a value"),
        ("columns.symbol", {"colum": "symbol"}, "columns.symbol.colum is no part of it"),
        ("columns.symbol", ["symbol"], "columns.symbol is no mapping"),
        ("columns.confidence.decimals", 2, "decimals goes with a column of a decimal"),
        ("columns.confidence.format", "unix", "format goes with a column of a time"),
        ("columns.created_at.format", "unixms", "format is iso, unix"),
        (
            "columns.stop_loss",
            {"column": "score", "decimals": 19},
            "decimals Input should be less than or equal to 18",
        ),
        ("columns.signal_type.values", {"long": True}, "values.long is no text: put it in quotes"),
        ("columns.signal_type.values", [], "values is no mapping"),
        ("columns.pattern_id", {"value": 1, "default": 2}, "default goes with a column"),
    ],
    ids=str,
)
def test_a_mapping_says_where_it_is_wrong(
    place: str, value: object, problem: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=problem):
        check(tmp_path, HEADER + ROW, changed(place, value))
    assert not (tmp_path / "rejects").exists()


def test_a_file_that_is_no_mapping(tmp_path: Path) -> None:
    """What else may be wrong with a file of settings: tests/unit/retraining/test_plan.py."""
    (tmp_path / "m.yml").write_text("source: old\nsource: new")
    with pytest.raises(MappingError, match=":2: is no YAML: source is there twice"):
        read_mapping(tmp_path / "m.yml")
    with pytest.raises(MappingError, match="there is no such file; --mapping names it"):
        read_mapping(tmp_path / "none.yml")


# --- rows ---------------------------------------------------------------------------------------


def test_bad_rows_of_every_sort(tmp_path: Path) -> None:
    rows = {
        ROW: None,
        "2,,long,0.5,2024-01-01\n": "symbol None is missing in column symbol",
        "3,X,flat,0.5,2024-01-01\n": "signal_type 'flat' is none of the mapping's values: 1, long",
        "4,X,1,1.5,2024-01-01\n": "confidence 1.5 is not in 0 to 1",
        "5,X,1,abc,2024-01-01\n": "confidence 'abc' is not a number",
        "6,X,1,nan,2024-01-01\n": "confidence nan is not a finite number",
        "7,X,1,,2024-01-01\n": None,
        "8,X,1,0.5,01.01.2024\n": "created_at '01.01.2024' is not a time of the format iso",
        "9,X,1,0.5,1024-01-01\n": r"created_at 1024-01-01 \S+ is not in the years 1971 to 2199",
        "10,X,1,0.5\n": "the row has 4 fields where the header has 5",
        "11,X,1,0.5,2024-01-01,6\n": "the row has 6 fields where the header has 5",
        ",X,1,0.5,2024-01-01\n": "key id '' is missing",
        f"13,{'X' * 101},1,0.5,2024-01-01\n": "symbol .* has 101 characters",
        '14,"X"Y,1,0.5,2024-01-01\n': "the row is not well-formed CSV",
        "15,X\0,1,0.5,2024-01-01\n": "holds a NUL character",
        "\n": "",
        '16,"X\nY",1,0.5,2024-01-01\n': "a character that nobody sees",
    }
    content = (HEADER + "".join(rows)).encode() + b"17,\xff,1,0.5,2024-01-01\n"
    reasons = [reason for reason in rows.values() if reason != ""] + ["half of a surrogate pair"]
    report = check(tmp_path, content)
    refused = {n: reason for n, reason in enumerate(reasons, 1) if reason}
    told = rejects(tmp_path)
    assert {reject["row"] for reject in told} == refused.keys()
    for reject in told:
        assert re.search(refused[reject["row"]], reject["reason"])
    assert report == Report(len(reasons), len(reasons) - len(refused), 0, len(refused))
    # The row is shown as it was.
    assert told[0]["values"] == {
        "id": "2", "symbol": "", "side": "long", "score": "0.5", "at": "2024-01-01",
    }  # fmt: skip
    assert {"line": "10,X,1,0.5\n"} in [reject["values"] for reject in told]


def test_rejects_of_an_earlier_run_give_way(tmp_path: Path) -> None:
    check(tmp_path, HEADER + ROW + "2\n")
    assert len(rejects(tmp_path)) == 1
    check(tmp_path, HEADER + ROW)
    assert not (tmp_path / "rejects").exists()
    with pytest.raises(UsageError, match="is read here: name another"):
        import_store(
            tmp_path / "store.csv", tmp_path / "m.yml", None,
            rejects=tmp_path / "m.yml", advance=lambda *_: None,
        )  # fmt: skip
    with pytest.raises(UsageError, match="cannot be written"):
        import_store(
            tmp_path / "store.csv", tmp_path / "m.yml", None,
            rejects=tmp_path / "none" / "x", advance=lambda *_: None,
        )  # fmt: skip


def test_other_delimiters_and_nulls(tmp_path: Path) -> None:
    mapping = changed("delimiter", ";") | {"nulls": ["NULL"]}
    content = "\ufeff" + HEADER.replace(",", ";") + "1;X;long;NULL;2024-01-01\r\n"
    for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
        for read in (content.encode(encoding), gzip.compress(content.encode(encoding))):
            assert check(tmp_path, read, mapping) == Report(1, 1, 0, 0)


def test_a_store_that_mixes_units(tmp_path: Path) -> None:
    content = HEADER + "1,X,long,0.5,1735603200000\n2,X,long,0.5,1735603200000000\n"
    for unit, row, other in (("unix_us", 1, "unix_ms"), ("unix_ms", 2, "unix_us")):
        mapping = changed("columns.created_at.format", unit)
        assert check(tmp_path, content, mapping) == Report(2, 1, 0, 1)
        (told,) = rejects(tmp_path)
        assert told["row"] == row
        assert told["reason"].endswith(
            f"is no time in {unit}, but looks like 2024-12-31 in {other}"
        )


def test_a_store_may_be_older(tmp_path: Path) -> None:
    mapping = changed("columns.created_at.format", "unix")
    assert check(tmp_path, HEADER + "1,X,long,0.5,31536000\n", mapping) == Report(1, 1, 0, 0)
    # A date that is written as a number is a time of 1970.
    for number in (31535999, -1, 20241231):
        assert check(tmp_path, HEADER + f"1,X,long,0.5,{number}\n", mapping) == Report(1, 0, 0, 1)
        assert "is not in the years 1971 to 2199" in rejects(tmp_path)[0]["reason"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "there is no header"),
        (b"a,a\n", "the header names 'a' twice"),
        (b'"a"b\n', "header is not well-formed"),
        (gzip.compress((HEADER + ROW * 9).encode())[:-9], "damaged or cut off after line"),
        ((HEADER + ROW).encode("utf-16")[:-1], "damaged or cut off after line"),
        ((HEADER + ROW).encode("utf-16-le"), "is no CSV in UTF-8"),
        (b"PK\x03\x04...", "is a zip archive or a workbook"),
        (b",".join(b"%d" % n for n in range(3_000)), "has 3,000 columns: at most 2,000"),
        (b"x" * 5_000_000, r"its header is not well-formed \(a row of 4,194,304 characters"),
        (b"SQLite format 3\0" + b"x" * 100, "SQLite said"),
        (b"PAR1 and no more", "is no Parquet file"),
    ],
    ids=str.split(
        "empty twice quotes gzip utf-16-cut utf-16 zip columns endless-header sqlite parquet"
    ),
)
def test_stores_that_cannot_be_read(content: bytes, problem: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=problem):
        check(tmp_path, content)


def test_the_rejects_are_their_owners_alone_and_one_imports(tmp_path: Path) -> None:
    part = tmp_path / "rejects.part"
    part.write_text("what a killed run left")
    part.chmod(0o644)
    check(tmp_path, HEADER + "2\n")
    assert (tmp_path / "rejects").stat().st_mode & 0o777 == 0o600
    assert len(rejects(tmp_path)) == 1
    with part.open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(LockedError, match="another import is writing"):
            check(tmp_path, HEADER + ROW)
    assert len(rejects(tmp_path)) == 1
    check(tmp_path, HEADER + ROW)
    assert [path.name for path in tmp_path.iterdir() if "rejects" in path.name] == []


def test_rejects_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = '"a\nb",' * 700_000 + "\n"
    content = HEADER + ROW + "x" * 50_000_000 + "\n" + ROW + wide + ROW
    report = check(tmp_path, gzip.compress(content.encode()))
    told = rejects(tmp_path)
    # What follows a line or a row that is too long is read.
    assert report == Report(6, 3, 0, 3)
    assert [reject["row"] for reject in told] == [2, 4, 5]
    assert told[0]["reason"].endswith("(a row of 4,194,304 characters or more)")
    assert max(len(reject["values"]["line"]) for reject in told) < 1_050
    assert told[0]["values"]["line"].endswith("x… (4,194,304 characters)")
    monkeypatch.setattr("runner.store_import._MOST_REJECTS", 3_000)
    assert check(tmp_path, HEADER + "2\n" * 1_000).rejected == 1_000
    *told, last = rejects(tmp_path)
    assert (
        last["reason"]
        == f"{1_000 - len(told):,} more rows were rejected: this file ends at 100 MiB"
    )


def check_sqlite(folder: Path, *statements: str) -> Report:
    path = folder / "store.db"
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()
    (folder / "m.yml").write_text(yaml.safe_dump(MAPPING | {"table": "old"}))
    return import_store(
        path, folder / "m.yml", None, rejects=folder / "rejects", advance=lambda *_: None
    )


OLD_ROW = "'X' as symbol, 'long' as side, 0.5 as score, '2024-01-01' as at"
ENDLESS = "with recursive n(id) as (select 1 union all select id + 1 from n)"


def test_a_store_of_sqlite_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.store_import.sources._MOST_STEPS", 3_000_000)
    monkeypatch.setattr("runner.store_import.sources._STEPS_OF_A_CALL", 100_000)
    for where in ("", "where id < 0"):
        with pytest.raises(SourceError, match="the view takes too long, or has no end"):
            check_sqlite(
                tmp_path, f"create view old as {ENDLESS} select *, {OLD_ROW} from n {where}"
            )
    # The steps are those of a row, not of all.
    many = f"create table old as {ENDLESS} select *, {OLD_ROW} from n limit 100000"
    monkeypatch.setattr("runner.store_import.sources._MOST_STEPS", 300_000)
    assert check_sqlite(tmp_path, many).stored == 100_000
    # What is not mapped is not read.
    blob = f"create table old as select 1 as id, {OLD_ROW}, zeroblob(20000000) as weights"
    assert check_sqlite(tmp_path, blob).stored == 1
    with pytest.raises(SourceError, match="a value of more than 16 MiB"):
        check_sqlite(tmp_path, blob.replace("1 as id", "zeroblob(20000000) as id"))


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "a store?#.db"
    with sqlite3.connect(path) as connection:
        connection.execute('create table "signals ""1""" (id integer)')
    connection.close()
    with pytest.raises(SourceError, match="name its `table` in the mapping; there are signals"):
        open_source(path, None, ",")
    with pytest.raises(SourceError, match="has no table plans; there are signals"):
        open_source(path, "plans", ",")
    assert open_source(path, 'signals "1"', ",").columns == ("id",)
    with pytest.raises(SourceError, match="cannot be read"):
        open_source(tmp_path / "none", None, ",")


def test_parquet_needs_an_extra(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from pathlib import Path; from runner.store_import.sources import open_source\n"
        f"open_source(Path({str(tmp_path / 'x.parquet')!r}), None, ',')"
    )
    told = children.run([sys.executable, "-c", code], capture_output=True, text=True).stderr
    assert f"reading Parquet needs pyarrow, an extra: {installing('parquet')}" in told


def test_parquet_that_memory_cannot_hold(tmp_path: Path) -> None:
    """A kilobyte that unpacks to 40 GB of one text."""
    import pyarrow
    from pyarrow import parquet

    index = pyarrow.array([0] * 10_000, pyarrow.int32())
    columns: dict[str, Any] = {
        name: [value] * len(index)
        for name, value in {"id": 1, "side": "long", "score": 0.5, "at": "2024-01-01"}.items()
    }
    columns["symbol"] = pyarrow.DictionaryArray.from_arrays(index, pyarrow.array(["a" * 4_000_000]))
    path = tmp_path / "store.parquet"
    parquet.write_table(pyarrow.table(columns), path, dictionary_pagesize_limit=10_000_000)
    (tmp_path / "m.yml").write_text(yaml.safe_dump(MAPPING))
    done = children.run(
        [sys.executable, "-m", "runner", "import", path, "--mapping", tmp_path / "m.yml",
         "--dry-run", "--rejects", tmp_path / "r"], capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert "what follows row 0 takes more than 2 GiB of memory" in done.stderr
    assert "Traceback" not in done.stderr


def test_memory_is_bounded(tmp_path: Path) -> None:
    """A store of 60 MB is checked in a process that would not hold it."""
    path = tmp_path / "big.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*HEADER.strip().split(","), "note"])
        for number in range(40_000):
            writer.writerow([number, "X", "long", "0.5", "2024-01-01", "n" * 1500])
    (tmp_path / "m.yml").write_text(yaml.safe_dump(MAPPING))
    code = (
        "import resource; from pathlib import Path\n"
        "from runner.store_import import import_store\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "report = import_store(folder / 'big.csv', folder / 'm.yml', None,"
        " rejects=folder / 'r', advance=lambda *_: None)\n"
        "after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(report.stored, (after - before) // 1024)"
    )
    done = children.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    stored, mebibytes = map(int, done.stdout.split())
    assert stored == 40_000
    assert mebibytes < 30


def test_every_destination_has_its_fields(tmp_path: Path) -> None:
    """A field that a record has can be mapped."""
    from dataclasses import fields

    from runner.client.records import Bar, Episode, Generation, Signal, SpectrumResult

    records = {
        "ai_trading_signals": Signal,
        "rl_training_episodes": Episode,
        "genetic_generations": Generation,
        "spectrum_analysis": SpectrumResult,
        "market_bars": Bar,
    }
    for destination, record in records.items():
        names = {field.name for field in fields(record)} - {"model_id"}
        assert names <= FIELDS[destination].keys()
