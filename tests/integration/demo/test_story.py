"""The demo as a new user runs it: a market turns, and a better version takes a model's place."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from runner.cli import cli
from runner.demo.story import MODEL

pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.timeout(1800),
]


def run(*words: str) -> str:
    done = CliRunner().invoke(cli, words)
    if done.exception is not None:
        raise done.exception
    return done.stdout


def test_a_better_version_takes_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNAL_MARTS_HOME", str(tmp_path / "home"))
    try:
        told = run("demo")
        assert re.search(r"^1\.0\.0: alarm: \w+, on 2025-", told, re.MULTILINE)
        champion = re.search(r"^(\S+): champion since 2025-", told, re.MULTILINE)
        assert champion
        versions = {
            each["version"]: each["stage"]
            for each in json.loads(run("models", "--json"))
            if each["name"] == MODEL
        }
        assert versions == {"1.0.0": "shadow", champion[1]: "champion"}
        tuning = json.loads(run("tune", "--json"))
        assert tuning["days"] == 170
        assert tuning["verdict"] in ("change", "keep")
        assert len(tuning["generations"]) == 8
    finally:
        run("down", "--delete-data")
