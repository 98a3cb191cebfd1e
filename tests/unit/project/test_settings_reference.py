"""docs/settings.md against the code that reads the settings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from pydantic import AliasChoices

from runner.settings import PROJECT, Settings

PAGE = (PROJECT / "docs" / "settings.md").read_text("utf-8")
DOCUMENTED = dict(re.findall(r"^\| `(\w+)` \| (?:`(.*?)`|[^|]*?) ?\|", PAGE, re.MULTILINE))
"""Each variable of the page with its default, empty where there is none to say."""


def settings() -> Iterator[tuple[str, str]]:
    for info in Settings.model_fields.values():
        alias = info.validation_alias
        for name in alias.choices if isinstance(alias, AliasChoices) else (alias,):
            yield str(name), "" if info.default is None else str(info.default)


def of_dbt() -> Iterator[tuple[str, str]]:
    for path in (
        PROJECT / "profiles.yml",
        *sorted((PROJECT / "macros").rglob("*.sql")),
        *sorted((PROJECT / "models/marts").rglob("*.yml")),
    ):
        yield from re.findall(r"env_var\('(\w+)', '(.*?)'\)", path.read_text("utf-8"))


def variables() -> Iterator[tuple[str, str]]:
    project: dict[str, Any] = yaml.safe_load((PROJECT / "dbt_project.yml").read_text("utf-8"))
    for name, default in project["vars"].items():
        yield name, str(default)


EXPECTED = sorted({*settings(), *of_dbt(), *variables()})


@pytest.mark.parametrize(("name", "default"), EXPECTED, ids=[name for name, _ in EXPECTED])
def test_what_is_read_is_documented_with_its_default(name: str, default: str) -> None:
    assert name in DOCUMENTED, f"docs/settings.md lacks {name}"
    assert DOCUMENTED[name] == default


def sources() -> str:
    """All files that may read a variable, except the tests of the page itself."""
    files = [
        *PROJECT.glob("runner/**/*.py"),
        *PROJECT.glob("tests/**/*.py"),
        *PROJECT.glob("macros/**/*.sql"),
        *PROJECT.glob("deploy/**/*"),
        PROJECT / "profiles.yml",
        PROJECT / "dbt_project.yml",
    ]
    return "\n".join(path.read_text("utf-8") for path in files if path.is_file())


def test_no_variable_of_ours_is_read_in_secret_and_none_is_made_up() -> None:
    words = set(re.findall(r"\b[A-Za-z_]\w+\b", sources()))
    ours = {word for word in words if re.fullmatch(r"SIGNAL_MARTS_[A-Z_]+", word)}
    assert ours <= DOCUMENTED.keys()
    assert DOCUMENTED.keys() <= words
