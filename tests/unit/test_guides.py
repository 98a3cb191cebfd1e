"""What README and the decisions list, held against the code."""

from __future__ import annotations

import re
import tomllib

import click

from runner import cli
from runner.settings import PROJECT


def listed(heading: str) -> set[str]:
    """What the first column below a heading of README names, without arguments."""
    text = (PROJECT / "README.md").read_text("utf-8")
    section = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return set(re.findall(r"^\| `([\w.]+)", section, re.MULTILINE))


def test_every_command_is_in_the_readme() -> None:
    assert isinstance(cli.cli, click.Group)
    assert listed("Commands") == set(cli.cli.commands)


def test_every_mart_is_in_the_readme() -> None:
    paths = (PROJECT / "models" / "marts").rglob("*.sql")
    assert listed("The marts") == {f"{path.parent.name}.{path.stem}" for path in paths}


def test_every_library_has_its_why() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    needed = {re.split(r"[\[><=]", line)[0] for each in lists for line in each}
    text = (PROJECT / "docs/decisions/0011-libraries.md").read_text("utf-8").lower()
    names = set(re.findall(r"[\w-]+", " ".join(re.findall(r"^\|[^|]*\|([^|]*)\|.", text, re.M))))
    assert needed - names == {"signal-marts"}
