"""What a wheel holds beside the package: the dbt project and the migrations."""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PROJECT = (
    "dbt_project.yml",
    "platform.yml",
    "profiles.yml",
    "yoyo.ini",
    "models",
    "macros",
    "migrations",
    "tests/dbt",
)


class ProjectHook(BuildHookInterface[Any]):
    """Puts the project where ``runner.settings`` looks for it once it is installed."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        # An editable install reads the checkout itself; a copy beside it would grow old.
        if version != "editable":
            build_data["force_include"] |= {path: f"runner/project/{path}" for path in PROJECT}
