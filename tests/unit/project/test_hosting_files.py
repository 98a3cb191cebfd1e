"""The files in deploy/: the commands they start exist, and their hosts can read them."""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path

import children
import pytest

from runner.cli import cli
from runner.settings import PROJECT

DEPLOY = PROJECT / "deploy"
GUIDE = PROJECT / "docs" / "hosting.md"
FILES = sorted(path for path in (*DEPLOY.rglob("*"), GUIDE) if path.is_file())
RAILWAY = sorted(DEPLOY.glob("railway/*.toml"))

# The keys of Railway's reference of configuration files that the project uses.
BUILD = {"builder", "dockerfilePath"}
DEPLOYMENT = {
    "cronSchedule",
    "drainingSeconds",
    "healthcheckPath",
    "healthcheckTimeout",
    "preDeployCommand",
    "restartPolicyMaxRetries",
    "restartPolicyType",
    "startCommand",
}


def name(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()


@pytest.mark.parametrize("path", FILES, ids=name)
def test_the_commands_that_are_started_exist(path: Path) -> None:
    for command, rest in re.findall(r"signal-marts ([a-z]+)\b([^\n'`|;&]*)", path.read_text()):
        assert command in cli.commands
        options = {option for each in cli.commands[command].params for option in each.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= options


@pytest.mark.parametrize("path", RAILWAY, ids=name)
def test_railway_knows_the_settings(path: Path) -> None:
    found = tomllib.loads(path.read_text("utf-8"))
    assert found.keys() == {"build", "deploy"}
    assert found["build"].keys() <= BUILD
    assert found["deploy"].keys() <= DEPLOYMENT
    assert (PROJECT / found["build"]["dockerfilePath"]).is_file()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    program = shutil.which("true")
    for path in DEPLOY.glob("systemd/*"):
        # Programs are looked for; these are not installed here.
        text = re.sub(r"^(ExecStart(?:Post)?)=\S+", rf"\1={program}", path.read_text(), flags=re.M)
        (tmp_path / path.name).write_text(text)
    units = [str(path) for path in sorted(tmp_path.iterdir())]
    told = children.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True
    )
    assert (told.returncode, told.stderr) == (0, "")
