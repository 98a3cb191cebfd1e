"""A kind of model that a team adds, as docs/add-a-kind-of-model.md says, from an empty checkout."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import children
import pytest
from landscapes import Landscape

from runner.settings import PROJECT

GUIDE = (PROJECT / "docs/add-a-kind-of-model.md").read_text("utf-8")


def block(pattern: str) -> str:
    """The one code block that a pattern comes before."""
    (found,) = re.findall(rf"{pattern}.*?^```\w+\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    return str(found)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the project in which the page was followed."""
    for name in ("runner", "models", "macros", "migrations", "tests/dbt"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=ignored)
    for name in ("dbt_project.yml", "platform.yml", "profiles.yml", "yoyo.ini"):
        shutil.copy(PROJECT / name, tmp_path)
    made = re.findall(r"^`([\w./]+)`[^\n]*:\n\n```\w+\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    assert len(made) == 4
    for name, text in made:
        assert not (tmp_path / name).exists()
        (tmp_path / name).write_text(text)
    kinds = tmp_path / "macros/training_kinds.sql"
    listed, end = kinds.read_text().rsplit("    ]) }}", 1)
    kinds.write_text(f"{listed}{block('^## A line')}    ]) }}}}{end}")
    return tmp_path


@pytest.mark.timeout(600)
def test_a_new_kind_has_its_training_runs(landscape: Landscape, checkout: Path) -> None:
    def run(*command: str) -> None:
        urls = {"PRIMARY_URL": landscape.primary.url, "REPLICA_URL": landscape.replica.url}
        urls |= landscape.replica.environment()
        done = children.run(
            [sys.executable, "-m", *command],
            cwd=checkout,
            env=os.environ | urls | {"PYTHONPATH": str(checkout)},
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    run("runner.deploy.migration_rules", "migrations")
    run("runner", "deploy")
    landscape.on_primary("set role ai_writer; " + block("^epochs with plain SQL"))
    run("runner", "build", "--select", "+training_runs")
    assert landscape.on_replica(
        "select model_name, model_type, run_kind, steps, is_learning from training.training_runs"
    ) == [("boosted_trees", "supervised", "epochs", 60, True)]
    # The unit tests of the other kinds, which say nothing of this one.
    run("dbt.cli.main", "test", "--quiet", "--select", "test_type:unit,+training_runs")
