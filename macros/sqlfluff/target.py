"""The linter's stand-in for the profile's target."""

from __future__ import annotations

name = "prod"
schema = "staging"
database = "analytics"


def get(field: str) -> str | None:
    """A field of it, as of dbt's mapping."""
    return {"name": name, "schema": schema, "database": database}.get(field)
