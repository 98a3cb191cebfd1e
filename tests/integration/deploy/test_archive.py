"""Old bars leave the primary, and the replica and the marts keep them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from comparison import SCHEMAS
from drills import no_problem, told, wait
from landscapes import Landscape, make_database, renamed
from psycopg import sql
from random_market import RandomMarket
from trading_meanwhile import trading

from runner.cli import cli
from runner.deploy import archive_files, archiving
from runner.deploy.archive_files import ArchiveError
from runner.deploy.archiving import DifferingSidesError
from runner.doctor import examine
from runner.errors import UsageError
from runner.replication import archives, comparison, fence, sync
from runner.replication.archives import File, NoteError
from runner.servers.contract import read_contract
from runner.servers.database import Database
from runner.servers.sides import connected
from runner.settings import PROJECT

GUIDE = (PROJECT / "docs/growth.md").read_text("utf-8")
BARS = "public.market_bars"
DAY = datetime(2025, 3, 2, tzinfo=UTC)
OLD = "select count(*) from market_bars where opened_at < '2025-03-02Z'"
BAR = "insert into market_bars values ('BTC', '1h', {at}, 100, 101, 99, 100, 1)"
NEW_BAR = (
    "set lock_timeout = '30s'",
    "insert into market_bars select 'BTC', '1h', coalesce(max(opened_at), '2025-03-03')"
    " + interval '1 hour', 100, 101, 99, 100, 1 from market_bars where symbol = 'BTC'",
)


class KilledError(Exception):
    """What stands for a kill."""


def archive(landscape: Landscape, folder: Path, until: datetime = DAY, name: str = BARS) -> File:
    return archiving.archive(
        Database("primary", landscape.primary.url),
        Database("replica", landscape.replica.url),
        name,
        until,
        folder,
        lock_timeout=2,
        fence_timeout=60,
        report=landscape.reports.append,
        advance=lambda done, total, at: None,
    )


def deploy(landscape: Landscape, folder: Path | None, *again: str) -> list[str]:
    """A deploy that knows the folder of archived rows."""
    return landscape.deploy(resync=again or None, archive=folder)


def filled(landscape: Landscape, changes: int = 0) -> None:
    """Deploy, and bring bars of some days, half of them older than the boundary."""
    landscape.deploy()
    with landscape.primary.connect(autocommit=True) as connection:
        market = RandomMarket(connection, Random(7))
        market.begin()
        for _ in range(changes):
            market.change()
    wait(landscape)


def old_rows(landscape: Landscape) -> tuple[int, int]:
    """Old bars of the primary, and of the replica."""
    wait(landscape)
    ((ours,),), ((theirs,),) = landscape.on_primary(OLD), landscape.on_replica(OLD)
    return int(str(ours)), int(str(theirs))


def replica_bars(landscape: Landscape) -> list[str]:
    wait(landscape)
    return [
        str(row)
        for row in landscape.on_replica(
            "select symbol, timeframe, opened_at, open::text, high::text, low::text, close::text,"
            " volume::text from market_bars order by 1, 2, 3"
        )
    ]


def is_same(landscape: Landscape) -> bool:
    contract = read_contract()
    (table,) = (each for each in contract if each.qualified == BARS)
    with connected(landscape.primary, landscape.replica) as sides:
        return comparison.is_same(sides.on_primary, sides.on_replica, table, contract, 60)


def marts(landscape: Landscape) -> dict[str, object]:
    """A hash of the rows of each table of marts that was built."""
    with landscape.replica.connect() as connection:
        tables = connection.execute(
            "select schemaname, tablename from pg_tables where schemaname = any(%s) order by 1, 2",
            (list(SCHEMAS),),
        ).fetchall()
        return {
            ".".join(table): connection.execute(
                sql.SQL(
                    "select count(*), md5(string_agg(line, '' order by line)) from"
                    " (select (to_jsonb(t) - %s::text[])::text as line from {} as t) as lines"
                ).format(sql.Identifier(*table)),
                (["_xid", "first_seen_at"],),
            ).fetchone()
            for table in tables
        }


@contextmanager
def killed(
    monkeypatch: pytest.MonkeyPatch, place: Any, name: str, *, after: bool
) -> Iterator[None]:
    """The next call of a function ends the command: before it does anything, or after."""
    function: Callable[..., Any] = getattr(place, name)

    def kill(*arguments: Any, **options: Any) -> None:
        if after:
            function(*arguments, **options)
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(place, name, kill)
        yield


def test_marts_keep_archived_bars(landscape: Landscape, tmp_path: Path) -> None:
    target, models = tmp_path / "target", ("+price_bars", "+signal_outcomes")
    filled(landscape, changes=80)

    def built() -> dict[str, object]:
        assert not landscape.build(target, *models).failures
        return marts(landscape)

    before, bars = built(), replica_bars(landscape)
    assert archive(landscape, tmp_path).rows > 0
    assert built() == before

    # A copy made anew needs the file.
    with pytest.raises(ArchiveError, match=r"set SIGNAL_MARTS_ARCHIVE .*until-2025-03-02\.parquet"):
        deploy(landscape, None, BARS)
    with pytest.raises(fence.NotLoadedError, match="the archived rows of"):
        landscape.build(target, *models)
    assert told(landscape, "are not on the replica")
    assert any("archived rows" in line for line in deploy(landscape, tmp_path))
    assert replica_bars(landscape) == bars
    assert built() == before

    # So does a new replica.
    with connected(landscape.primary, landscape.replica) as sides:
        sync.remove_from_replica(sides.on_replica)
    name = landscape.replica.parameters()["dbname"]
    with psycopg.connect(renamed(landscape.replica.url, "postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
    make_database(landscape.replica.url, "replica", name)
    deploy(landscape, tmp_path)
    assert replica_bars(landscape) == bars
    assert built() == before
    assert deploy(landscape, tmp_path) == []
    no_problem(landscape)


def test_a_killed_archive_goes_on(
    landscape: Landscape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(landscape)
    bars, (old, _) = replica_bars(landscape), old_rows(landscape)
    monkeypatch.setattr(archiving, "_BLOCKS", 1)
    for place, name, after in (
        (archiving, "_begin", False),
        (archiving, "_begin", True),
        (comparison, "is_same", False),
        (archive_files, "write", True),
        (archive_files, "check", True),
        (archives, "comment", False),
        (archiving, "_remove", False),
    ):
        with killed(monkeypatch, place, name, after=after), pytest.raises(KilledError):
            archive(landscape, tmp_path)
        assert old_rows(landscape) == (old, old)
        assert is_same(landscape)
    told(landscape, "not all archived yet; signal-marts archive public.market_bars --before")
    # Some rows are deleted, and a copy brings the others.
    with killed(monkeypatch, archiving._Work, "run", after=True), pytest.raises(KilledError):
        archive(landscape, tmp_path)
    remaining, kept = old_rows(landscape)
    assert remaining < old
    assert kept == old
    deploy(landscape, tmp_path, BARS)
    assert replica_bars(landscape) == bars
    with killed(monkeypatch, archives, "validation", after=False), pytest.raises(KilledError):
        archive(landscape, tmp_path)
    assert archive(landscape, tmp_path) == archive(landscape, tmp_path)
    assert old_rows(landscape) == (0, old)
    assert replica_bars(landscape) == bars
    no_problem(landscape)


def test_bars_are_archived_beside_a_writer(landscape: Landscape, tmp_path: Path) -> None:
    filled(landscape)
    old, _ = old_rows(landscape)
    urls = {"PRIMARY_URL": landscape.primary.url, "REPLICA_URL": landscape.replica.url}
    command = ["archive", BARS, "--before", "2025-03-02", "--to", str(tmp_path), "--json"]
    with trading(landscape, *NEW_BAR):
        result = CliRunner().invoke(cli, command, env=urls)
    assert result.exception is None, result.stderr
    assert json.loads(result.stdout)["rows"] == old
    assert old_rows(landscape) == (0, old)

    found = CliRunner().invoke(cli, ["status", "--compare"], env=urls)
    assert "comparing: 13 of 13" in found.stderr
    assert "market_bars" not in str(found.exception)
    told_of_bars = [
        each
        for each in examine(landscape.primary, landscape.replica)
        if each.level != "ok" and "market_bars" in each.text
    ]
    assert told_of_bars == []

    # None comes again, with a message that says so.
    with pytest.raises(psycopg.errors.CheckViolation, match="market_bars_archived_check"):
        landscape.on_primary(BAR.format(at="'2025-03-01 12:00Z'"))
    landscape.on_primary(BAR.format(at="'2025-03-02Z'"))
    assert is_same(landscape)
    no_problem(landscape)

    # A later archive holds the bars since the first.
    later = archive(landscape, tmp_path, datetime(2025, 3, 3, tzinfo=UTC))
    assert later.rows > 0
    bars = replica_bars(landscape)
    deploy(landscape, tmp_path, BARS)
    assert replica_bars(landscape) == bars
    with pytest.raises(UsageError, match="are archived already"):
        archive(landscape, tmp_path)
    # A truncated table loses them on the replica; the files bring them back.
    landscape.on_primary("truncate market_bars")
    with pytest.raises(fence.NotLoadedError):
        wait(landscape)
    deploy(landscape, tmp_path)
    assert old_rows(landscape) == (0, old)
    # A file that is not what was written is not loaded.
    (tmp_path / later.name).write_bytes(
        (tmp_path / "public.market_bars-until-2025-03-02.parquet").read_bytes()
    )
    with pytest.raises(ArchiveError, match="is not the file that was written"):
        deploy(landscape, tmp_path, BARS)


def test_what_cannot_be_archived_is_left(landscape: Landscape, tmp_path: Path) -> None:
    filled(landscape)
    bars, (old, _) = replica_bars(landscape), old_rows(landscape)
    with pytest.raises(UsageError, match="a time in its key"):
        archive(landscape, tmp_path, name="public.ai_trading_signals")
    with pytest.raises(UsageError, match="is to come"):
        archive(landscape, tmp_path, datetime(2999, 1, 1, tzinfo=UTC))
    landscape.on_primary(
        "create function watch() returns trigger language plpgsql as 'begin return old; end';"
        "create trigger watched before delete on market_bars for each row execute function watch()"
    )
    with pytest.raises(UsageError, match="trigger watched"):
        archive(landscape, tmp_path)
    landscape.on_primary("drop trigger watched on market_bars")
    slot = f"signal_marts_other_{landscape.replica.parameters()['dbname']}"
    landscape.on_primary(f"select pg_create_logical_replication_slot('{slot}', 'pgoutput')")
    with pytest.raises(UsageError, match=f"would lose what is deleted.*{slot}"):
        archive(landscape, tmp_path)
    landscape.on_primary(f"select pg_drop_replication_slot('{slot}')")
    # Rows that are on the replica alone.
    landscape.on_replica(BAR.format(at="'2025-03-01 12:34Z'"))
    with pytest.raises(DifferingSidesError, match="not the same on both sides"):
        archive(landscape, tmp_path)
    assert landscape.on_primary(OLD) == [(old,)]
    deploy(landscape, None)
    file = tmp_path / archive(landscape, tmp_path).name
    assert old_rows(landscape) == (0, old)

    # The way back, as the guide says.
    (way_back,) = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    mapping = tmp_path / "bars.yml"
    mapping.write_text(way_back)
    landscape.on_primary("comment on constraint market_bars_archived_check on market_bars is '[1]'")
    with pytest.raises(NoteError, match="not as signal-marts archive made it"):
        deploy(landscape, tmp_path, BARS)
    landscape.on_primary("alter table market_bars drop constraint market_bars_archived_check")
    deploy(landscape, None, BARS)
    result = CliRunner().invoke(
        cli,
        ["import", str(file), "--mapping", str(mapping)],
        env={"PRIMARY_URL": landscape.primary.url, "REPLICA_URL": landscape.replica.url},
    )
    assert result.exception is None, result.stderr
    assert old_rows(landscape) == (old, old)
    assert replica_bars(landscape) == bars
    no_problem(landscape)


def test_a_partition_of_archived_bars_is_dropped(landscape: Landscape, tmp_path: Path) -> None:
    filled(landscape)
    bars, (old, _) = replica_bars(landscape), old_rows(landscape)
    # Of no bar: the constraint and its note are there when the table is partitioned.
    assert archive(landscape, tmp_path, datetime(2025, 3, 1, tzinfo=UTC)).rows == 0
    with landscape.primary.connect(autocommit=True) as connection:
        for name in ("1_bound.sql", "2_partition.sql"):
            connection.execute((PROJECT / "deploy/growth" / name).read_text())
    landscape.on_primary(
        "create table kept as select * from market_bars; truncate market_bars;"
        "drop table market_bars_past;"
        "create table bars_old partition of market_bars"
        " for values from (minvalue) to ('2025-03-01 12:00Z');"
        "create table bars_newer partition of market_bars"
        " for values from ('2025-03-01 12:00Z') to ('2025-04-01Z');"
        "insert into market_bars select * from kept; drop table kept"
    )
    deploy(landscape, tmp_path)
    assert archive(landscape, tmp_path).rows == old
    assert landscape.on_primary("select to_regclass('bars_old')") == [(None,)]
    assert old_rows(landscape) == (0, old)
    assert replica_bars(landscape) == bars
    no_problem(landscape)
    assert deploy(landscape, tmp_path) == []
