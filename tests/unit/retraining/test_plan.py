"""retraining.yml: what it may say, and what is told where it is wrong."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runner import yaml_files
from runner.errors import UsageError
from runner.retraining import due, plan

GOOD = f"""
q_trader:
  command: [{sys.executable}, train.py]
  seed: 7
  options: {{episodes: 200, words: [a, b]}}
  schedule: "0 3 * * 0"
  on_triggers: true
  timeout_minutes: 0.5
other:
  command: [sh]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "retraining.yml"
    path.write_text(text, "utf-8")
    return path


def test_a_good_file_is_read(tmp_path: Path) -> None:
    found = plan.read(write(tmp_path, GOOD))
    how = plan.of(found, "q_trader")
    assert (how.seed, how.options["episodes"], how.timeout_minutes) == (7, 200, 0.5)
    assert how.means == f"{sys.executable} train.py"
    assert (found["other"].memory_mb, found["other"].on_triggers) == (4096, False)
    with pytest.raises(UsageError, match="does not say how nobody is retrained; it names q_trader"):
        plan.of(found, "nobody")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: {command: [sh], comand: x}", ":1: a.comand is no part of it: trainer, command"),
        ("a:\n  command: [sh]\n  seed: x", ":3: a.seed Input should be a valid integer"),
        ("a: {command: [sh], seed: -1}", "a.seed Input should be greater than or equal to 0"),
        ("a: {}", ":1: a says neither or both of trainer and command"),
        ("a: {command: [sh], trainer: x}", "a.trainer x is no installed trainer"),
        ("a: {command: [./sh]}", "a.command ./sh is no program here"),
        ("a: {command: []}", "a.command List should have at least 1 item"),
        ("a: {command: [no-such-program]}", "a.command no-such-program is no program here"),
        ("a: {command: [sh], schedule: daily}", "a.schedule is no schedule"),
        ("a: {command: [sh], options: {x: .nan}}", "a.options has no JSON"),
        ("a: {command: [sh], options: {x: 2025-01-01}}", "quote dates"),
        ("a: {command: [sh]}\na: {command: [sh]}", ":2: is no YAML: a is there twice"),
        ("a: [", ":1: is no YAML"),
        ("a:\n  options: {x: 2025-02-30}", ":1: has a value that is none: day is out of range"),
        ("a: &a {command: [sh], options: *a}", ":1: is nested too deeply, or holds itself"),
        ("a:\n  ? [b]\n  : c", ":2: is no YAML: a name is a text"),
        ('a:\n  options: {x: "\\0"}', ":2: is no YAML: '\\x00' has a character"),
        ('a: {options: {"\\ud800": 1}}', "has a character that is not stored"),
        ('a: {command: [sh], schedule: "0 0 30 2 *"}', "a schedule that never comes: 0 0 30 2 *"),
        ('a: {command: [sh], schedule: "R R * * *"}', "a.schedule is no schedule"),
        ("- a", "is no mapping"),
        ("1: {command: [sh]}", "Input should be a valid string"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(plan.PlanError) as error:
        plan.read(path)
    assert str(error.value).startswith(f"{path}:")
    assert told in str(error.value)


def test_no_file_is_an_empty_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_files, "PROJECT", tmp_path)
    monkeypatch.delenv("SIGNAL_MARTS_RETRAINING", raising=False)
    assert plan.read() == {}
    monkeypatch.setenv("SIGNAL_MARTS_RETRAINING", str(tmp_path / "none.yml"))
    with pytest.raises(plan.PlanError, match="there is no such file"):
        plan.read()


def test_a_scheduled_time_is_made_up_for_a_day() -> None:
    at = datetime(2025, 6, 1, 3, tzinfo=UTC)  # a Sunday
    assert due.scheduled("0 3 * * 0", at) == at
    assert due.scheduled("0 3 * * 0", at + timedelta(hours=24)) == at
    assert due.scheduled("0 3 * * 0", at + timedelta(hours=25)) is None
    assert due.scheduled("0 3 * * 0", at - timedelta(minutes=1)) is None
