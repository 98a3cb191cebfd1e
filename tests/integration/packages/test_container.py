"""The Containerfile's steps, done in a folder: the tests have no container engine.

Not exercised: the base image (the system and the Python of the tests stand in for it), downloads
(packages are links into the tests' own environment, which must have the pinned versions), users
(`useradd` is left out, and everything runs as whoever runs the tests), and what an engine makes of
EXPOSE and of a health check's times.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import distribution
from pathlib import Path

import children
import pytest
from landscapes import Landscape
from packaging.requirements import Requirement

from runner.settings import PROJECT

BIN = Path(sys.executable).parent
SITE = Path(sysconfig.get_path("purelib"))


@dataclass(frozen=True)
class Image:
    """What a stage has come to; the folder ``root`` stands for its /."""

    root: Path
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": f"{BIN}:/usr/bin:/bin"})
    folder: str = "/"
    health: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()

    def path(self, inside: str) -> Path:
        """Where a path of the image is in truth."""
        return self.root / os.path.join(self.folder, inside).lstrip("/")  # noqa: PTH118

    def translated(self, text: str) -> str:
        """A command, with the image's own folders where they are in truth."""
        return re.sub(r"(?<![\w./])/(?=(?:opt|dist|src)\b)", f"{self.root}/", text)

    def start(self, command: Sequence[str], **variables: str) -> subprocess.Popen[str]:
        """Start a command as an engine would: with the image's environment and folder alone."""
        env = self.environment | {"HOME": str(self.path("."))} | variables
        program = shutil.which(command[0], path=env["PATH"])
        assert program is not None, f"{command[0]} is not in the image"
        return children.Popen(
            [program, *command[1:]],
            env=env,
            cwd=self.path("."),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *command: str, **variables: str) -> tuple[int, str]:
        """Exit code of a command, and what it said."""
        process = self.start(command, **variables)
        said, _ = process.communicate(timeout=120)
        return process.returncode, said


def steps(text: str) -> Iterator[tuple[str, str]]:
    """The instructions of a Containerfile: their word, and the rest of the line."""
    without_comments = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)
    for line in re.sub(r"\\\n\s*", "", without_comments).splitlines():
        if line.strip():
            word, _, rest = line.partition(" ")
            yield word, rest.strip()


def built(containerfile: str, context: Path, scratch: Path) -> dict[str, Image]:
    """Do the steps; return the stages by their names."""
    stages: dict[str, Image] = {}
    for word, rest in steps(containerfile):
        if word == "FROM":
            origin, _, name = rest.partition(" AS ")
            # A stage that begins with another one shares its folder: none changes it afterwards.
            image = stages.get(origin) or Image(scratch / name)
        elif word == "WORKDIR":
            image = replace(image, folder=rest)
            image.path(".").mkdir(parents=True, exist_ok=True)
        elif word == "COPY":
            _copy(rest, context, stages, image)
        elif word == "RUN":
            for command in rest.split(" && "):
                _run(command.strip(), image)
        elif word == "ENV":
            for name_, value in re.findall(r"(\w+)=(\S+)", rest):
                value = image.translated(value).replace("$PATH", image.environment["PATH"])
                image = replace(image, environment=image.environment | {name_: value})
        elif word == "HEALTHCHECK":
            image = replace(image, health=tuple(json.loads(rest.partition("CMD ")[2])))
        elif word == "ENTRYPOINT":
            image = replace(image, entrypoint=tuple(json.loads(rest)))
        elif word == "CMD":
            image = replace(image, command=tuple(json.loads(rest)))
        else:
            assert word in ("USER", "EXPOSE"), f"{word} is not known here"
        stages[name] = image
    return stages


def _copy(rest: str, context: Path, stages: dict[str, Image], image: Image) -> None:
    *sources, target = rest.split()
    if sources[0].startswith("--from="):
        stage = stages[sources.pop(0).removeprefix("--from=")]
        # Its programs name their Python by its path, so that stays where it was made.
        image.path(target).parent.mkdir(parents=True, exist_ok=True)
        image.path(target).symlink_to(stage.path(sources[0]))
        return
    for source in sources:
        if (context / source).is_dir():
            shutil.copytree(context / source, image.path(target), dirs_exist_ok=True)
        else:
            image.path(target).mkdir(parents=True, exist_ok=True)
            shutil.copy(context / source, image.path(target))


def _run(command: str, image: Image) -> None:
    if command.startswith("useradd "):
        return
    command = image.translated(command)
    if found := re.search(r"^(\S+) -m pip install .*--require-hashes -r (\S+)$", command):
        python = shutil.which(found[1], path=image.environment["PATH"])
        assert python is not None
        site = Path(python).parents[1] / SITE.relative_to(BIN.parent)
        _link_packages(image.path(found[2]), site)
        return
    code, said = image.run("sh", "-ec", command)
    assert code == 0, f"{command}: {said}"


def _link_packages(requirements: Path, site: Path) -> None:
    """Put the pinned packages, and no other, into an environment that does not have them."""
    for line in re.findall(r"^[a-z].*?(?= \\$)", requirements.read_text(), re.MULTILINE):
        wanted = Requirement(line)
        if wanted.marker and not wanted.marker.evaluate():
            continue
        there = distribution(wanted.name)
        assert there.version in wanted.specifier, f"{wanted} is not what the tests run with"
        for top in {file.parts[0] for file in there.files or ()} - {"..", "__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(SITE / top)


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an engine is sent of the checkout, by .dockerignore: a list of what may go."""
    nothing, *allowed = (PROJECT / ".dockerignore").read_text().splitlines()[1:]
    assert nothing == "*"
    assert allowed.pop() == "**/__pycache__"
    # The packages of the wheel: one that is missing is left out of it without a word.
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    packages = settings["targets"]["wheel"]["packages"]
    assert {f"!{package}" for package in packages} <= set(allowed)
    folder = tmp_path_factory.mktemp("context")
    for name in (line.removeprefix("!") for line in allowed):
        source, target = PROJECT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    return folder


@pytest.fixture(scope="module")
def stages(context: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Image]:
    text = (PROJECT / "deploy" / "Containerfile").read_text("utf-8")
    return built(text, context, tmp_path_factory.mktemp("images"))


def test_the_runner_deploys_builds_and_knows_its_health(
    stages: dict[str, Image], landscape: Landscape
) -> None:
    image = stages["runner"]
    assert image.entrypoint == ("signal-marts",)
    code, said = image.run("python", "-c", "import runner; print(runner.__file__)")
    assert "/opt/signal-marts/lib" in said, said

    databases = {
        "PRIMARY_URL": landscape.primary.url,
        "REPLICA_URL": landscape.replica.url,
        "PGPASSFILE": os.environ["PGPASSFILE"],
    }
    code, said = image.run(*image.health, **databases)
    assert (code, "not well" in said) == (1, True), said
    code, said = image.run(*image.entrypoint, "deploy", **databases)
    assert code == 0, said
    # All marts, since one that is not there is told.
    code, said = image.run(
        *image.entrypoint, "build", "--exclude", "resource_type:test", **databases
    )
    assert code == 0, said
    code, said = image.run(*image.health, **databases)
    assert code == 0, said
    code, said = image.run(*image.entrypoint, *image.command, "--help")
    assert code == 0, said


def test_the_dashboard_answers_its_health_check(
    stages: dict[str, Image], landscape: Landscape, unused_port: Callable[[], int]
) -> None:
    image = stages["dashboard"]
    landscape.deploy()
    port = str(unused_port())
    server = image.start(
        [*image.entrypoint, *image.command],
        PORT=port,
        REPLICA_URL=landscape.replica.url,
        PRIMARY_URL=landscape.primary.url,
        PGPASSFILE=os.environ["PGPASSFILE"],
    )
    try:
        for _ in range(60):
            code, said = image.run(*image.health, PORT=port)
            if code == 0 or server.poll() is not None:
                break
            time.sleep(0.5)
    finally:
        server.terminate()
        told, _ = server.communicate(timeout=30)
    assert code == 0, told + said
    assert "Traceback" not in told, told
