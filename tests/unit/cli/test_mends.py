"""A missing part of a machine is reported with the command that installs it."""

from __future__ import annotations

import json
import os
import sys
import tomllib
from pathlib import Path

import children
import pytest
from click.testing import CliRunner

from runner import extras
from runner.__main__ import main
from runner.cli import cli
from runner.demo import embedded_system
from runner.errors import UsageError
from runner.settings import PROJECT


def test_every_extra_is_one() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    assert {*extras.MODULES, "parquet", "metrics"} == {*project["optional-dependencies"]}


@pytest.mark.parametrize("is_checkout", [True, False])
def test_an_extra_is_installed_where_this_runs(
    is_checkout: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "IS_CHECKOUT", is_checkout)
    what = f"-e '{PROJECT}[demo]'" if is_checkout else "'signal-marts[demo]'"
    pip = Path(sys.executable).parent / "pip"
    assert extras.installing("demo") == f"{pip} install {what}"


def test_the_demo_without_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    told = CliRunner().invoke(cli, ["demo"]).exception
    assert isinstance(told, UsageError)
    assert str(told) == f"the extra demo is not installed: {extras.installing('demo')}"


def test_commands_without_their_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    told = f"signal-marts: the extra run is not installed: {extras.installing('run')}\n"
    assert capsys.readouterr().err == told


def test_modules_import_without_what_commands_need() -> None:
    missing = ", ".join(f"{name}=None" for name in extras.MODULES["run"])
    code = f"import sys; sys.modules.update({missing}); import signal_marts; signal_marts.Signal"
    done = children.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_servers_that_cannot_be_looked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)
    with pytest.raises(UsageError, match=r"psutil.* is missing: .*\[embedded\]"):
        embedded_system.is_postgres(os.getpid(), tmp_path)


@pytest.mark.parametrize("command", [["status"], ["report", "--output", "none.html"]])
@pytest.mark.parametrize("is_named", [True, False])
def test_the_embedded_pair_is_down(command: list[str], is_named: bool, tmp_path: Path) -> None:
    # Nothing listens on these ports.
    (tmp_path / "state.json").write_text(json.dumps({"primary": 1, "replica": 2}))
    (tmp_path / "pgpass").write_text("127.0.0.1:1:*:postgres:secret\n")
    names = ("PRIMARY_URL", "DATABASE_URL", "REPLICA_URL", "DASHBOARD_URL")
    env = {name: value for name, value in os.environ.items() if name not in names}
    env["SIGNAL_MARTS_HOME"] = str(tmp_path)
    if is_named:  # as `signal-marts env` says
        env["PRIMARY_URL"] = "postgresql://postgres@127.0.0.1:1/trading"
        env["REPLICA_URL"] = "postgresql://postgres@127.0.0.1:2/analytics"
    done = children.run(
        [sys.executable, "-m", "runner", *command],
        cwd=tmp_path,
        env=env | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 3, done.stderr
    assert "; start the embedded pair: signal-marts up\n" in done.stderr
