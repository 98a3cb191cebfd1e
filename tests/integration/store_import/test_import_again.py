"""An import that is killed, repeated or run twice at once stores each row once."""

from __future__ import annotations

import fcntl
import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import children
import pytest
import yaml
from ai_desk import AT, MODEL, SIGNAL
from command_line import BIN
from landscapes import Landscape
from old_store_desk import (
    EPISODES,
    OLD,
    SIGNALS,
    Desk,
    command,
    desk_in,
    environment,
    old_signal,
    stored,
)

from runner.client import (
    AITradingIntegration,
)
from runner.client.records import Episode
from runner.settings import PROJECT
from runner.store_import import Report


@pytest.fixture
def desk(shared: Landscape, tmp_path: Path) -> Iterator[Desk]:
    with desk_in(tmp_path, shared) as desk:
        yield desk


# --- once ---------------------------------------------------------------------------------------


def test_what_was_imported_is_not_imported_again(desk: Desk) -> None:
    rows = [old_signal(n) for n in range(5)]
    assert desk.bring(desk.write(rows), SIGNALS) == Report(5, 5, 0, 0)
    before = desk.look("select * from ai_trading_signals order by id")
    # The store went on; it holds a row twice, and one that was changed in it.
    rows += [old_signal(5), old_signal(5), old_signal(6), old_signal(6, score=0.5)]
    rows[2] = old_signal(2, score=0.125)
    assert desk.bring(desk.write(rows), SIGNALS) == Report(9, 2, 5, 2)
    assert {each["reason"] for each in desk.rejects()} == {
        "the row was imported before with other values, which stay"
    }
    assert sorted(each["row"] for each in desk.rejects()) == [3, 9]
    assert desk.look("select * from ai_trading_signals order by id limit 5") == before
    # A deleted row is imported again; a row of another source is another row.
    desk.look("delete from ai_trading_signals where idempotency_key = 'import/old-listener/4'")
    assert desk.bring(desk.write(rows), SIGNALS) == Report(9, 1, 6, 2)
    assert desk.bring(desk.write(rows), SIGNALS | {"source": "other"}).stored == 7


def test_what_the_module_wrote_itself_stays(desk: Desk) -> None:
    module = AITradingIntegration(desk.pools)
    model_id = module.register_model(MODEL)
    module.store_episode(model_id, Episode(1, 2.5, 100, None, None, None, AT))
    key = "import/old-listener/1"
    module.store_ai_signal(replace(SIGNAL, model_id=model_id, idempotency_key=key))
    rows = [{"n": n, "reward": 0.5, "at": 1_700_000_000, "worth": None} for n in (1, 2)]
    for _ in range(2):
        desk.bring(desk.write(rows), EPISODES)
        assert [each["row"] for each in desk.rejects()] == [1]
        assert "the table holds one that is not of this source" in desk.rejects()[0]["reason"]
    assert desk.look("select total_reward from rl_training_episodes order by 1") == [(0.5,), (2.5,)]
    assert desk.bring(desk.write([old_signal(1), old_signal(2)]), SIGNALS) == Report(2, 1, 0, 1)
    assert desk.look("select count(*) from ai_imported_records") == [(2,)]


def test_rows_that_refer_to_nothing(desk: Desk) -> None:
    desk.look(
        "insert into micro_patterns (id, symbol, timeframe, pattern_type, signal, confidence,"
        " strength, created_at) values (7, 'X', '1h', 'flag', 'BUY', 0.5, 0.5, now())"
    )
    rows = [old_signal(n, pattern=7 if n % 10 else 8, state="EXECUTED") for n in range(40)]
    rows[5]["state"] = "DONE"
    rows[6]["pattern"] = -1
    columns = SIGNALS["columns"] | {"pattern_id": "pattern", "status": "state"}
    report = desk.bring(desk.write(rows), SIGNALS | {"columns": columns})
    assert report == Report(40, 34, 0, 6)
    reasons = {each["row"]: each["reason"] for each in desk.rejects()}
    assert reasons.keys() == {1, 6, 7, 11, 21, 31}
    assert "pattern_id" in reasons[11]
    assert reasons[6] == "signal: status 'DONE' is not one of ACTIVE, EXECUTED, EXPIRED"
    assert reasons[7] == "signal: pattern_id -1 is not an id"
    assert desk.look("select distinct pattern_id, status from ai_trading_signals") == [
        (7, "EXECUTED")
    ]


def test_models_of_rows(desk: Desk) -> None:
    AITradingIntegration(desk.pools).register_model(replace(MODEL, version="3"))
    rows = [old_signal(n, algo=algo) for n, algo in enumerate(["1", "2", "3", "", "1"])]
    model = {
        "model_type": {"value": "genetic_optimization"}, "model_name": MODEL.model_name,
        "version": {"column": "algo"}, "config": {"note": "retired"},
    }  # fmt: skip
    report = desk.bring(desk.write(rows), SIGNALS | {"model": model})
    assert report == Report(5, 3, 0, 2)
    found = desk.look("select version, config from ai_models where config ? 'note' order by 1")
    assert found == [("1", {"note": "retired"}), ("2", {"note": "retired"})]
    reasons = [each["reason"] for each in desk.rejects()]
    assert "is registered as sparse_spectrum" in reasons[0]
    assert "version None is missing in column algo" in reasons[1]


def test_an_import_makes_no_model_active_again(desk: Desk) -> None:
    module = AITradingIntegration(desk.pools)
    id_ = module.register_model(MODEL)
    found = "select id, is_active, config, updated_at from ai_models"
    desk.look("update ai_models set is_active = false")
    retired = desk.look(found)
    model = OLD | {"config": {"note": "of the import"}}
    assert desk.bring(desk.write([old_signal(1)]), SIGNALS | {"model": model}).stored == 1
    assert desk.look(found) == retired
    # A module that starts again does.
    assert module.register_model(MODEL) == id_
    assert desk.look("select is_active from ai_models") == [(True,)]


def test_killed_anywhere_it_goes_on(desk: Desk) -> None:
    total = 12_000
    rows = [old_signal(n) for n in range(total)]
    for number in (10, 5_000, total - 1):
        rows[number]["side"] = "?"
    source = desk.write(rows)
    (desk.folder / "m.yml").write_text(yaml.safe_dump(SIGNALS))
    arguments = (str(source), "--mapping", str(desk.folder / "m.yml"), "--json")
    for share in (1, 4_000, 8_000):
        process = children.Popen(
            command(desk, *arguments), env=environment(desk), stderr=subprocess.DEVNULL
        )
        while process.poll() is None and stored(desk) < share:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert share <= stored(desk) < total - 3
        assert not (desk.folder / "r").exists()
    there = stored(desk)
    done = children.run(command(desk, *arguments), env=environment(desk), capture_output=True)
    assert done.returncode == 6
    assert json.loads(done.stdout) == {
        "read": total, "stored": total - 3 - there, "already_there": there, "rejected": 3,
        "rejects": str(desk.folder / "r"),
    }  # fmt: skip
    assert desk.look(
        "select count(*), count(distinct created_at), max(created_at) from ai_trading_signals"
    ) == [(total - 3, total - 3, AT + timedelta(minutes=total - 2))]
    assert len((desk.folder / "r").read_text().splitlines()) == 3


def test_two_imports_of_one_store_at_once(desk: Desk) -> None:
    source = desk.write([old_signal(n) for n in range(6_000)])
    (desk.folder / "m.yml").write_text(yaml.safe_dump(SIGNALS))
    both = [
        children.Popen(
            [
                *command(desk, str(source), "--mapping", str(desk.folder / "m.yml"), "--json")[:-1],
                str(desk.folder / f"r{number}"),
            ],
            env=environment(desk),
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    reports = [json.loads(process.communicate()[0]) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum(report["stored"] for report in reports) == stored(desk) == 6_000
    assert sum(report["already_there"] for report in reports) == 6_000


def test_the_command_says_what_is_wrong(desk: Desk) -> None:
    source = desk.write([old_signal(1)])

    def told(**env: str) -> tuple[int, str]:
        done = children.run(
            command(desk, str(source), "--mapping", str(desk.folder / "m.yml")),
            env=environment(desk) | env, capture_output=True, text=True,
        )  # fmt: skip
        return done.returncode, done.stderr

    assert told()[0] == 2
    (desk.folder / "m.yml").write_text(yaml.safe_dump(SIGNALS))
    code, text = told(PRIMARY_URL="postgresql://127.0.0.1:1/x")
    assert (code, stored(desk)) == (3, 0)
    assert "cannot connect to the primary at 127.0.0.1:1/x" in text
    assert "Traceback" not in text
    with (desk.folder / "r.part").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        code, text = told()
    assert (code, stored(desk)) == (5, 0)
    assert "another import is writing" in text
    assert told()[0] == 0


# --- the guide ----------------------------------------------------------------------------------


def test_the_example_of_the_guide(desk: Desk) -> None:
    text = (PROJECT / "docs" / "import.md").read_text()
    blocks = dict(re.findall(r"`([\w.-]+)`[^\n]*:\n\n```\w*\n(.*?)```", text, re.S))
    for name, body in blocks.items():
        (desk.folder / name).write_text(body)
    done = children.run(
        [str(BIN / "signal-marts"), "import", "old.csv", "--mapping", "old-signals.yml"],
        env=environment(desk), cwd=desk.folder, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 6, done.stderr
    shown = re.search(r"prints:\n\n```\n(.*?)```", text, re.S)
    assert shown is not None
    assert done.stdout == shown[1]
    assert stored(desk) == 3
    assert (desk.folder / "old.csv.rejects.jsonl").read_text() in text
