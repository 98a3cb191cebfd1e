"""What README, the guides and the decisions list, held against the code."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import click

from runner import cli
from runner.settings import PROJECT


def listed(page: str, heading: str) -> set[str]:
    """What the first column below a heading of a page names, without arguments."""
    text = (PROJECT / page).read_text("utf-8")
    section = text.split(f"# {heading}\n")[1].split("\n## ")[0]
    return set(re.findall(r"^\| `([\w.]+)", section, re.MULTILINE))


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


def test_every_link_between_pages_leads_somewhere() -> None:
    pages = [
        *PROJECT.glob("*.md"),
        *(PROJECT / "docs").rglob("*.md"),
        *(PROJECT / "bi").rglob("*.md"),
    ]
    broken = []
    for page in pages:
        for target, anchor in re.findall(
            r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)", page.read_text("utf-8")
        ):
            path = (page.parent / target) if target else page
            if not path.exists() or (anchor and anchor not in anchors(path)):
                broken.append(f"{page.relative_to(PROJECT)}: {target}#{anchor}")
    assert broken == []


def anchors(page: Path) -> set[str]:
    """What the headings of a page are linked by."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}
