"""The wheel, built as for a release and installed where there is no checkout."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import children
import pytest
from browser import CHROMIUM, PAGES, QUIET, TROUBLES, Tab, served
from playwright.sync_api import sync_playwright

from runner.demo.embedded import EmbeddedPair
from runner.settings import PROJECT

PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))
VERSION: str = PYPROJECT["project"]["version"]
PACKAGED = ("models", "macros", "migrations", "tests/dbt")


def run(
    *command: str | Path, cwd: Path, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """A process that knows nothing of this one's databases and folders."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return children.run(
        [str(part) for part in command],
        env=kept | (env or {}),
        cwd=cwd,
        capture_output=True,
        text=True,
    )


def build(kind: str, source: Path, into: Path) -> Path:
    """Build an sdist or a wheel of the project in ``source``, without a network."""
    made = run(sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", into, cwd=source)
    assert made.returncode == 0, made.stderr
    (path,) = into.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return path


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As an installer makes it: from the source distribution, not from the checkout."""
    folder = tmp_path_factory.mktemp("dist")
    # Python's own tarfile warns without a filter, which 3.11 has only from 3.11.4 on.
    unpacked = run("tar", "--extract", "--file", build("sdist", PROJECT, folder), cwd=folder)
    assert unpacked.returncode == 0, unpacked.stderr
    return build("wheel", folder / f"signal_marts-{VERSION}", folder)


@pytest.fixture(scope="module")
def bin_folder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an environment with the wheel, and the dependencies of the environment of the tests."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    # Only the folder: the .pth files in it, an editable install's among them, are not read.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = folder / "bin" / "python"
    installed = run(
        *(sys.executable, "-m", "pip", "--python", python),
        *("install", "--quiet", "--no-deps", "--no-index", wheel),
        cwd=folder,
    )
    assert installed.returncode == 0, installed.stderr
    return folder / "bin"


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder, empty at first, whose servers are gone afterwards whatever happens."""
    folder = tmp_path_factory.mktemp("empty")
    yield folder
    EmbeddedPair(folder / ".signal-marts").destroy()


def files(folder: Path) -> set[str]:
    """The files of a folder, without Python's compiled files."""
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_the_package_and_the_project_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    packages = ("runner", "signal_marts")
    expected = {f"{name}/{file}" for name in packages for file in files(PROJECT / name)}
    for folder in PACKAGED:
        expected |= {f"runner/project/{folder}/{name}" for name in files(PROJECT / folder)}
    for name in ("dbt_project.yml", "platform.yml", "profiles.yml", "yoyo.ini"):
        expected.add(f"runner/project/{name}")
    assert held == expected


def test_the_version_is_said_once_and_the_changelog_knows_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        info = f"signal_marts-{VERSION}.dist-info"
        licence = archive.read(f"{info}/licenses/LICENSE").decode()
        metadata = archive.read(f"{info}/METADATA").decode()
    assert licence == (PROJECT / "LICENSE").read_text("utf-8")
    assert "License-Expression: Apache-2.0" in metadata
    newest = re.search(r"^## \[(\d.*?)\]", (PROJECT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == VERSION


@pytest.fixture(scope="module")
def demo(bin_folder: Path, empty: Path) -> Iterator[str]:
    """The demo's output; its servers run while a test needs them, and end as a user ends them."""
    marts = bin_folder / "signal-marts"
    ran = run(marts, "demo", "--days", "10", cwd=empty)
    assert ran.returncode == 0, ran.stderr
    yield ran.stdout
    down = run(marts, "down", "--delete-data", cwd=empty)
    assert down.returncode == 0, down.stderr
    assert "stopped" in down.stderr
    shutil.rmtree(empty / ".signal-marts")


@pytest.mark.timeout(600)
def test_the_demo_runs_in_an_empty_folder(
    wheel: Path, bin_folder: Path, empty: Path, demo: str
) -> None:
    marts = bin_folder / "signal-marts"
    said = run(marts, "--version", cwd=empty)
    assert said.stdout.strip() == f"signal-marts, version {VERSION}"
    imported = run(bin_folder / "python", "-c", "import runner; print(runner.__file__)", cwd=empty)
    package = Path(imported.stdout.strip()).parent
    assert package.is_relative_to(bin_folder.parent)
    assert "AI vs. rule-based" in demo
    assert ".venv" not in demo
    assert "make " not in demo

    # The packaged migrations and models are those that plain tools work with.
    exports = [shlex.split(line)[1] for line in run(marts, "env", cwd=empty).stdout.splitlines()]
    env = dict(export.split("=", 1) for export in exports)
    assert Path(env["DBT_PROJECT_DIR"]) == package / "project"
    tools = Path(sys.executable).parent
    config = Path(env["DBT_PROJECT_DIR"]) / "yoyo.ini"
    listed = run(tools / "yoyo", "list", "--config", config, cwd=empty, env=env)
    applied = re.findall(r"^A\s+(\d{4}_\w+)", listed.stdout, re.MULTILINE)
    assert len(applied) == len(list((PROJECT / "migrations").glob("*.rollback.sql")))
    named = ("--resource-type", "model", "--select", "trades")
    known = run(tools / "dbt", "--quiet", "ls", *named, cwd=empty, env=env)
    assert known.stdout.split() == ["signal_marts.marts.performance.trades"]

    # dbt's files are beside the servers, and no file is left in the package.
    with zipfile.ZipFile(wheel) as archive:
        assert {f"runner/{name}" for name in files(package)} <= {*archive.namelist()}
    assert (empty / ".signal-marts/target/manifest.json").is_file()
    assert (empty / ".signal-marts/logs/dbt.log").is_file()
    assert [path.name for path in empty.iterdir()] == [".signal-marts"]


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("demo")
def test_its_dashboard_shows_every_page(bin_folder: Path, empty: Path) -> None:
    if CHROMIUM is None:
        pytest.skip("no chromium here; apt-get install chromium")
    with (
        served(bin_folder, env={"PATH": os.environ["PATH"]}, cwd=empty) as address,
        sync_playwright() as playwright,
    ):
        tab = Tab(playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET))
        for name in PAGES:
            told = tab.opened(f"{address}/{'' if name == PAGES[0] else name.lower()}", name)
            assert not any(state in told for state in TROUBLES), (name, told)
            assert tab.page.locator("[data-testid=stException]").count() == 0, name
        assert tab.wrong == []
