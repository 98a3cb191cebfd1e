"""The lists in README, the guides and the decisions, compared with the code."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import click

from runner import cli
from runner.settings import PROJECT


def listed(page: str, heading: str) -> set[str]:
    """The names in the first column below a heading of a page, without arguments."""
    text = (PROJECT / page).read_text("utf-8")
    section = text.split(f"# {heading}\n")[1].split("\n## ")[0]
    return set(re.findall(r"^\| `([\w.-]+)", section, re.MULTILINE))


def test_every_command_is_in_the_readme() -> None:
    assert isinstance(cli.cli, click.Group)
    assert listed("README.md", "Commands") == set(cli.cli.commands)


def test_every_mart_is_in_its_list() -> None:
    paths = (PROJECT / "models" / "marts").rglob("*.sql")
    assert listed("docs/marts.md", "The marts") == {
        f"{path.parent.name}.{path.stem}" for path in paths
    }


def test_every_library_has_its_why() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    needed = {re.split(r"[\[><=]", line)[0] for each in lists for line in each}
    text = (PROJECT / "docs/decisions/0011-libraries.md").read_text("utf-8").lower()
    names = set(re.findall(r"[\w-]+", " ".join(re.findall(r"^\|[^|]*\|([^|]*)\|.", text, re.M))))
    assert needed - names == {"signal-marts"}


PAGES = [*PROJECT.glob("*.md"), *(PROJECT / "docs").rglob("*.md"), *(PROJECT / "bi").rglob("*.md")]
TEXTS = {page: page.read_text("utf-8") for page in PAGES}


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", TEXTS[page], re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}


def missing(pattern: str, is_there: Callable[[Path, str], bool]) -> list[str]:
    """Names on pages that match a pattern and do not exist."""
    return [
        f"{page.relative_to(PROJECT)}: {found}"
        for page, text in TEXTS.items()
        for found in re.findall(pattern, text)
        if not is_there(page, found)
    ]


def test_every_link_between_pages_leads_somewhere() -> None:
    def is_there(page: Path, link: str) -> bool:
        target, _, anchor = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        return path.exists() and (not anchor or anchor in anchors(path))

    assert missing(r"\]\((?!https?:)([^)\s]+)\)", is_there) == []


def test_every_file_that_pages_name_is_there() -> None:
    folders = "runner|macros|tests|benchmarks|models|docs|migrations|deploy|bi|requirements"
    pattern = rf"`((?:{folders})/[\w./-]*\w/?)`"

    def is_there(page: Path, path: str) -> bool:
        # A page may give a file that its reader makes.
        is_given = re.search(rf"^`{re.escape(path)}`[^\n]*:\n\n```", TEXTS[page], re.MULTILINE)
        return (PROJECT / path).exists() or is_given is not None

    assert missing(pattern, is_there) == []


def test_every_command_that_pages_name_is_one() -> None:
    assert isinstance(cli.cli, click.Group)
    commands = cli.cli.commands
    assert missing(r"signal-marts ([a-z]+(?:-[a-z]+)*)\b", lambda _, name: name in commands) == []
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    assert missing(r"(?m)(?:`|^)make ([a-z-]+)", lambda _, name: name in targets) == []
