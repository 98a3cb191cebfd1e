"""The rooms of ``runner/``: each imports those that its docstring names, and none in a circle."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from runner.settings import PROJECT

RUNNER = PROJECT / "runner"
ROOMS = {path.parent.name for path in RUNNER.glob("*/__init__.py")} - {"sql"}


def named(room: str) -> set[str]:
    """The rooms that a room's docstring says it imports."""
    tree = ast.parse((RUNNER / room / "__init__.py").read_text("utf-8"))
    text = " ".join((ast.get_docstring(tree) or "").split())
    said = re.search(r"Rooms it imports: ([a-z_, ]+)\.", text)
    assert said, f"runner/{room}/__init__.py does not say which rooms it imports"
    return set(said[1].split(", ")) - {"none"}


def imported(path: Path) -> Iterator[str]:
    """The modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def rooms_of(*paths: Path) -> set[str]:
    """The rooms that files import."""
    names = (name.split(".") for path in paths for name in imported(path))
    return {parts[1] for parts in names if parts[0] == "runner" and len(parts) > 1} & ROOMS


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_a_room_imports_what_it_says(room: str) -> None:
    assert rooms_of(*(RUNNER / room).rglob("*.py")) - {room} == named(room)


def test_no_rooms_import_each_other() -> None:
    TopologicalSorter({room: named(room) for room in ROOMS}).prepare()


def test_what_all_rooms_share_imports_none() -> None:
    shared = {*RUNNER.glob("*.py"), *(RUNNER / "sql").rglob("*.py")} - {RUNNER / "__main__.py"}
    assert rooms_of(*shared) == set()


def test_nothing_below_imports_what_people_look_at() -> None:
    users = {room: {other for other in ROOMS if room in named(other)} for room in ROOMS}
    assert users["views"] == {"cli", "demo"}
    assert users["demo"] == {"cli"}
    assert users["cli"] == set()


def picture() -> str:
    """The rooms as Mermaid draws them: each arrow that no way through another room replaces."""
    reached: dict[str, set[str]] = {}
    lines = ["flowchart TD"]
    for room in TopologicalSorter(
        {room: sorted(named(room)) for room in sorted(ROOMS)}
    ).static_order():
        further = {far for near in named(room) for far in reached[near]}
        reached[room] = named(room) | further
        direct = sorted(named(room) - further)
        lines += [f"    {room} --> {' & '.join(direct)}"] * bool(direct)
    return "\n".join(lines[:1] + lines[:0:-1])


def test_the_picture_of_the_rooms_is_drawn_from_them() -> None:
    page = (PROJECT / "docs/architecture.md").read_text("utf-8")
    drawn = re.findall(r"^```mermaid\n(flowchart TD\n.*?)\n```$", page, re.MULTILINE | re.DOTALL)
    assert [picture()] == drawn, f"docs/architecture.md: draw this\n{picture()}"


def test_every_room_is_in_the_map() -> None:
    page = (PROJECT / "docs/architecture.md").read_text("utf-8")
    section = page.split("## The rooms of `runner/`")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)/`", section, re.MULTILINE)) == ROOMS
