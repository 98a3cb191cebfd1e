"""Files of settings in YAML: what is wrong in one is told with its line and the mend."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from runner.errors import UsageError
from runner.settings import PROJECT

Content = TypeVar("Content")

Place = tuple[str, ...]
"""The names, and numbers of entries, that lead to a value."""

# In place of pydantic's own, which name classes.
_WORDS = {"missing": "is missing", "model_type": "is no mapping", "dict_type": "is no mapping"}

# PostgreSQL has neither NUL nor half a character.
_UNSTORABLE = re.compile("[\\0\ud800-\udfff]")


@dataclass(frozen=True)
class File:
    """A file that was read; ``error`` is raised with a line for each fault of it."""

    path: Path
    content: Any
    lines: Mapping[Place, int]
    error: type[UsageError]

    def validated(self, kind: TypeAdapter[Content], parts: Iterable[str]) -> Content:
        """What the file says; ``parts`` are the names that may stand where one is unknown."""
        try:
            return kind.validate_python(self.content or {}, strict=True)
        except ValidationError as error:
            # Never the input itself: a secret may have been written here by mistake.
            faults = [
                (self._place(each), _WORDS.get(each["type"], each["msg"]))
                for each in error.errors(include_input=False, include_context=False)
            ]
        known = f"is no part of it: {', '.join(parts)} are"
        self.check(
            (place, known if text == "Extra inputs are not permitted" else text)
            for place, text in faults
        )
        raise AssertionError

    def _place(self, fault: ErrorDetails) -> Place:
        """The names of the file alone: of a choice of types, pydantic names the type as well."""
        place: Place = ()
        for part in map(str, fault["loc"]):
            if (*place, part) in self.lines:
                place = (*place, part)
        return (*place, str(fault["loc"][-1])) if fault["type"] == "missing" else place

    def check(self, faults: Iterable[tuple[Place, str]]) -> None:
        """Raise the error where there is a fault; each is told once, in the order of the lines."""
        if told := sorted({self._told(place, text) for place, text in faults}):
            raise self.error("\n".join(text for _, text in told))

    def _told(self, place: Place, text: str) -> tuple[int, str]:
        lines = self.lines
        line = next((lines[place[:n]] for n in range(len(place), 0, -1) if place[:n] in lines), 1)
        text = f"{'.'.join(place)} {text.removeprefix('Value error, ')}"
        return line, f"{self.path}:{line}: {' '.join(text.split())}"


def read(
    path: Path | None, given: Path | None, name: str, setting: str, error: type[UsageError]
) -> File | None:
    """Read a file: ``path``, the one that a setting names, or the project's, which may be missing.

    Raises ``error`` where it cannot be read.
    """
    is_asked_for = path or given
    path = is_asked_for or PROJECT / name
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        if is_asked_for is None:
            return None
        raise error(f"{path}: there is no such file; {setting} names it") from None
    except (OSError, UnicodeDecodeError) as fault:
        raise error(f"{path}: cannot be read: {fault}") from None
    return parse(path, text, error)


def parse(
    path: Path,
    text: str,
    error: type[UsageError],
    loader: type[yaml.BaseLoader | yaml.SafeLoader] = yaml.SafeLoader,
    mend: str = "",
) -> File:
    """The file of a text; raise ``error``, with ``mend`` behind it, where that is no YAML."""
    try:
        lines = dict(_lines(yaml.compose(text, Loader=loader), ()))
        return File(path, yaml.load(text, Loader=loader), lines, error)  # noqa: S506 - one of two
    except yaml.YAMLError as fault:
        mark = getattr(fault, "problem_mark", None)
        line = 1 if mark is None else mark.line + 1
        told = getattr(fault, "problem", None) or "cannot be read"
        told += "" if type(fault) is yaml.MarkedYAMLError else mend  # that one is of _lines
        raise error(f"{path}:{line}: is no YAML: {' '.join(told.split())}") from None
    except ValueError as fault:  # a date, or a number, that there is not
        raise error(f"{path}:1: has a value that is none: {fault}") from None
    except RecursionError:
        raise error(f"{path}:1: is nested too deeply, or holds itself") from None


def _lines(node: yaml.Node | None, place: Place) -> Iterator[tuple[Place, int]]:
    """The line of each name and entry."""
    if isinstance(node, yaml.ScalarNode):
        if _UNSTORABLE.search(node.value):
            raise yaml.MarkedYAMLError(
                problem=f"{node.value!r} has a character that is not stored",
                problem_mark=node.start_mark,
            )
    elif isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a name is a text", problem_mark=key.start_mark)
            if key.value in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"{key.value} is there twice", problem_mark=key.start_mark
                )
            seen.add(key.value)
            yield (*place, str(key.value)), key.start_mark.line + 1
            yield from _lines(key, place)
            yield from _lines(value, (*place, str(key.value)))
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield (*place, str(number)), value.start_mark.line + 1
            yield from _lines(value, (*place, str(number)))
