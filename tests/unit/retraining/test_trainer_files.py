"""The trainers of docs/retraining.md do as it says; what a trainer may write."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from pathlib import Path

import children
import pytest

from runner.retraining import candidate, sandbox, worker
from runner.retraining.sandbox import TrainerError
from runner.settings import PROJECT

GUIDE = (PROJECT / "docs" / "retraining.md").read_text("utf-8").split("\n## Trainers\n")[1]
COMMAND, FUNCTION = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
(ENTRY,) = re.findall(r"^```toml\n\[.*\]\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a worker gives a trainer."""
    made = tmp_path / "work"
    made.mkdir()
    assignment = {
        "model_name": "coin",
        "model_type": "supervised",
        "training_set": "training_set.parquet",
        "as_of": "2025-03-01T12:00:00+00:00",
        "last": {"version": "1", "config": {}, "artifact": "last_artifact"},
        "seed": 7,
        "options": {"bias": 0.25},
    }
    (made / "last_artifact").write_bytes(b"last")
    (made / "assignment.json").write_text(json.dumps(assignment), "utf-8")
    return made


def train(folder: Path, *command: str) -> candidate.Checked:
    sandbox.run(command, folder, seconds=60, memory_mb=512, disk_mb=10, tick=lambda: None)
    return candidate.read(folder, "coin", "supervised")


def test_the_trainers_of_the_guide_make_the_same_candidate(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "coin.py"
    script.write_text(COMMAND, "utf-8")
    first = train(folder, sys.executable, str(script))
    assert first.config == {"bias": 0.25}
    assert len(first.artifact) == 16
    told = [json.loads(line) for line in (folder / "progress.jsonl").read_text().splitlines()]
    assert told == [{"done": 0.5, "text": "tossed"}]

    (tmp_path / "coins.py").write_text(FUNCTION, "utf-8")
    entries = tmp_path / "coins-1.dist-info" / "entry_points.txt"
    entries.parent.mkdir()
    entries.write_text("[signal_marts.trainers]\n" + ENTRY.replace('"', ""), "utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(PROJECT)]))
    for name in ("artifact", "candidate.json", "progress.jsonl"):
        (folder / name).unlink()
    assert train(folder, sys.executable, "-m", "runner.retraining.child", "coin") == first
    assert "tossed" in (folder / "progress.jsonl").read_text()


def test_what_a_candidate_consists_of_is_no_trap(folder: Path) -> None:
    with pytest.raises(TrainerError, match="it wrote no artifact"):
        candidate.read(folder, "coin", "supervised")
    (folder / "artifact").write_bytes(b"")
    os.mkfifo(folder / "candidate.json")
    with pytest.raises(TrainerError, match="no plain file"):
        candidate.read(folder, "coin", "supervised")
    (folder / "candidate.json").unlink()
    (folder / "candidate.json").symlink_to("/etc/hostname")
    with pytest.raises(TrainerError, match=r"it wrote no candidate\.json"):
        candidate.read(folder, "coin", "supervised")
    (folder / "candidate.json").unlink()
    (folder / "candidate.json").write_text('{"config": {}, "records": [{}]}')
    with pytest.raises(TrainerError, match="of the kind supervised have no table"):
        candidate.read(folder, "coin", "supervised")
    with (folder / "artifact").open("wb") as file:
        file.truncate(candidate.MAX_BYTES + 1)
    with pytest.raises(TrainerError, match=r"artifact has 64\.0 MB: at most 64 are kept"):
        candidate.read(folder, "coin", "supervised")


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ({"episode_number": 2}, "missing"),
        ({"created_at": "yesterday"}, "created_at 'yesterday' is not a datetime"),
        ({"created_at": "2025-03-01T00:00:00"}, "has no time zone"),
        ({"portfolio_value": 1.5}, "is not a Decimal"),
        ({"portfolio_value": "much"}, "is not a Decimal"),
        ({"episode_number": 2, "whole": True}, "does not count from 1 on"),
    ],
)
def test_records_are_checked(folder: Path, record: dict[str, object], told: str) -> None:
    whole = {
        "episode_number": 1,
        "total_reward": 1.5,
        "episode_length": 10,
        "average_loss": None,
        "portfolio_value": "1000.5",
        "sharpe_ratio": None,
        "created_at": "2025-03-01T00:00:00Z",
    }
    if told != "missing":
        record = whole | record
    record.pop("whole", None)
    (folder / "artifact").write_bytes(b"")
    path = folder / "candidate.json"
    path.write_text(json.dumps({"config": {}, "records": [whole]}))
    checked = candidate.read(folder, "coin", "reinforcement_learning")
    assert json.loads(checked.records)[0]["portfolio_value"] == "1000.5"
    path.write_text(json.dumps({"config": {}, "records": [record]}))
    with pytest.raises(TrainerError, match=told):
        candidate.read(folder, "coin", "reinforcement_learning")


def test_a_worker_starts_without_dbt() -> None:
    code = (
        "import sys, runner.cli, runner.retraining.worker, runner.retraining.child\n"
        "sys.exit(', '.join(name for name in sys.modules if name.split('.')[0] == 'dbt') or None)"
    )
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    done = children.run([sys.executable, "-c", code], env=environment, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_worker_hides_from_its_trainers() -> None:
    look = (
        "import ctypes; from runner.retraining import sandbox; look = ctypes.CDLL(None).prctl;"
        "before = look(3, 0, 0, 0, 0); sandbox.hide(); print(before, look(3, 0, 0, 0, 0))"
    )
    if sys.platform != "linux":
        pytest.skip("other systems do not show an environment in /proc")
    done = children.run([sys.executable, "-c", look], capture_output=True, text=True, cwd=PROJECT)
    assert done.stdout.split() == ["1", "0"], done.stderr


@pytest.mark.parametrize(
    "line", ["", "no JSON", "[" * 4000, '{"done": 1' + "0" * 400 + ', "text": ""}', "[1]", "NaN"]
)
def test_a_progress_that_is_none_is_passed_over(tmp_path: Path, line: str) -> None:
    ticker = worker._Ticker(None, None, tmp_path, threading.Event(), 0.0)  # type: ignore[arg-type]
    file = tmp_path / "progress.jsonl"
    ticker._read()
    file.write_text('{"done": 0.5, "text": "half"}\n')
    ticker._read()
    file.write_text(line + "\n")
    ticker._read()
    file.unlink()
    os.mkfifo(file)
    ticker._read()
    assert (ticker._done, ticker._doing) == (0.5, "half")
